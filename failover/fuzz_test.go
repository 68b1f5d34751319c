package failover

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"sextant/failover/failoverpb"
	"sextant/failover/fleet"
	"sextant/internal/redo"
	"sextant/internal/spent"
)

// FuzzMessages: no message of the control plane's makes the one who gets it panic, or take
// more memory than a multiple of its size.
func FuzzMessages(f *testing.F) {
	state := fleet.EncodeState(&fleet.State{Cluster: "c", Epoch: 3, Instances: []fleet.Instance{{ID: "db-1"}}})
	for _, m := range []proto.Message{
		&failoverpb.Order{Kind: failoverpb.Order_BECOME_WRITER, VolumeEpoch: 3, State: state, LeaseWaitMicros: 1 << 63},
		&failoverpb.Order{Kind: failoverpb.Order_DRAIN, VolumeEpoch: 3, Successor: "db-2", DrainMillis: 1 << 63},
		&failoverpb.TopologyUpdate{State: state, Leader: true, Live: []*failoverpb.Live{{Id: "db-1", Heartbeat: &failoverpb.Heartbeat{LagMicros: -1}, Scl: map[uint32]uint64{1: 2}}}},
		&failoverpb.StatusReply{Id: "control-1", State: state, Control: []*failoverpb.ControlNode{{Id: "control-1", Address: "x"}}},
		&failoverpb.RoleReport{Id: "storage-1", Kind: 9, Scl: map[uint32]uint64{1: 2}},
		&failoverpb.InstanceMessage{Hello: &failoverpb.InstanceHello{Id: "db-1"}, Heartbeat: &failoverpb.Heartbeat{Role: 1 << 31}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var order failoverpb.Order
		var update failoverpb.TopologyUpdate
		var reply failoverpb.StatusReply
		if proto.Unmarshal(b, &order) == nil {
			var a *Agent
			spent.Within(t, 256*len(b), func() {
				a = &Agent{orders: make(chan Order, 1)}
				_ = a.take(t.Context(), &order)
			})
			select {
			case o := <-a.orders:
				if d, ok := o.(*Demote); ok && d.Epoch != redo.VolumeEpoch(order.VolumeEpoch) {
					t.Fatalf("%v became %+v", &order, d)
				}
			default:
			}
		}
		if proto.Unmarshal(b, &update) == nil {
			w := &watch{f: func(p Topology) {
				p.Writer()
				p.Readers()
				NewStatus(p)
			}}
			spent.Within(t, 1024*len(b), func() { _ = w.take(&update) })
		}
		if proto.Unmarshal(b, &reply) == nil {
			controlStatus(reply.Control, []*failoverpb.StatusReply{&reply, nil}, true, reply.LeaderAddress)
			liveFromPB(reply.Live)
		}
	})
}

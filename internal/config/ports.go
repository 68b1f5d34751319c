package config

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
)

// Offsets of the fixed ports from cluster.port_base.
const (
	PortCluster        = 306
	PortReader         = 307
	PortInstance       = 311 // db-1; up to 330
	PortInstanceEnd    = 331 // endpoint of db-1; up to 350
	PortCustom         = 351 // up to 370
	PortRouterAdmin    = 380
	PortStorage        = 401 // storage-1; up to 499
	PortControl        = 501 // control-1; up to 503
	PortRaft           = 511
	PortInstanceStream = 521 // db-1's control and redo stream; up to 540
	PortMetrics        = 541 // db-1; up to 560
	PortMetricsStorage = 561 // storage-1; up to 590
	PortMetricsControl = 591 // control-1; up to 593

	instancesMax = 20
	StorageMax   = 30 // more have no metrics port
	controlMax   = 3
	routersMax   = 1 // its ports are fixed
	portHighest  = 599
)

// Node returns the node or instance with an id. One that is not in the configuration,
// such as an instance that was added later, has no settings of its own.
func (c *Config) Node(id string) Node {
	for _, nodes := range [][]Node{c.Control.Nodes, c.Storage.Nodes, c.Router.Nodes} {
		for _, n := range nodes {
			if n.ID == id {
				return n
			}
		}
	}
	for _, i := range c.Instances {
		if i.ID == id {
			return i.Node
		}
	}
	return Node{ID: id}
}

// Host returns the IP address of a process's listeners.
func (c *Config) Host(id string) string { return cmp.Or(c.Node(id).Address, c.Cluster.Bind) }

// Addr returns the address of a process's port with an offset from port_base.
func (c *Config) Addr(id string, offset int) string {
	return net.JoinHostPort(c.Host(id), strconv.Itoa(c.Cluster.PortBase+offset))
}

// EndpointAddrs returns the addresses of an endpoint with an offset from port_base: the
// router's, for clients anywhere, and one on loopback, from where alone the account that
// the first start makes may log in.
func (c *Config) EndpointAddrs(offset int) []string {
	router := c.Router.Nodes[0].ID
	addrs := []string{c.Addr(router, offset)}
	if !net.ParseIP(c.Host(router)).IsLoopback() {
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Cluster.PortBase+offset)))
	}
	return addrs
}

// AdminAddr returns the address of an operators' port with an offset from port_base.
func (c *Config) AdminAddr(offset int) string {
	return net.JoinHostPort(c.Admin.Bind, strconv.Itoa(c.Cluster.PortBase+offset))
}

// Number returns n of an id such as db-n, storage-n, or 0.
func Number(id string) int {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '-' {
			n, err := strconv.Atoi(id[i+1:])
			if err != nil || n < 1 {
				return 0
			}
			return n
		}
	}
	return 0
}

// PortKey names the configuration key that moves a port, for errors.
func (c *Config) PortKey(addr string) string {
	return fmt.Sprintf("address %s is in use; cluster.port_base (now %d, --port-base) moves all ports of this cluster",
		addr, c.Cluster.PortBase)
}

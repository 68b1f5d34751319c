// Package failoverpb is the generated code of failover.proto.
package failoverpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative failover.proto

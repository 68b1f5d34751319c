// Package wirepb is the generated protobuf and gRPC code of the storage service.
// It decides nothing: package wire turns its types into those of package logstore
// and checks them. Start with storage.proto.
package wirepb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative storage.proto

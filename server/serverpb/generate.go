// Package serverpb is the generated code of redo.proto.
package serverpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative redo.proto

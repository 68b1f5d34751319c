package gms

import "github.com/dolthub/go-mysql-server/sql"

// processes is the planner's list of processes without the progress of scans,
// which took a lock of the whole server seven times per statement for a column of
// SHOW PROCESSLIST.
type processes struct{ sql.ProcessList }

// AddTableProgress implements sql.ProcessList.
func (processes) AddTableProgress(uint64, string, int64) {}

// AddPartitionProgress implements sql.ProcessList.
func (processes) AddPartitionProgress(uint64, string, string, int64) {}

// UpdateTableProgress implements sql.ProcessList.
func (processes) UpdateTableProgress(uint64, string, int64) {}

// UpdatePartitionProgress implements sql.ProcessList.
func (processes) UpdatePartitionProgress(uint64, string, string, int64) {}

// RemoveTableProgress implements sql.ProcessList.
func (processes) RemoveTableProgress(uint64, string) {}

// RemovePartitionProgress implements sql.ProcessList.
func (processes) RemovePartitionProgress(uint64, string, string) {}

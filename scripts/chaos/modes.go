package main

import "context"

func (o options) soak(ctx context.Context) error        { return nil }
func (o options) kills(ctx context.Context) error       { return nil }
func (o options) hung(ctx context.Context) error        { return nil }
func (o options) switchovers(ctx context.Context) error { return nil }
func (o options) recovery(ctx context.Context) error    { return nil }
func (o options) lag(ctx context.Context) error         { return nil }

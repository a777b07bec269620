//go:build tools

// Package tools names the programs that are compiled from this module, so that go.mod and go.sum pin them.
package tools

import (
	_ "github.com/amacneil/dbmate/v2"
	_ "github.com/riverqueue/river/cmd/river"
	_ "riverqueue.com/riverui/cmd/riverui"
)

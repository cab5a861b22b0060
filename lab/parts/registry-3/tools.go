//go:build tools

// Package lab names the programs that this module builds, so that go.sum covers them.
package lab

import (
	_ "github.com/distribution/distribution/v3/cmd/registry"
)

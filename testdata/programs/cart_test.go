// Tests of Go, of which the second subtest of the second one dies of a nil pointer. A subtest is a closure; its name is in
// its record alone.
package cart

import (
	"runtime/debug"
	"testing"
)

var nowhere *int

func init() {
	debug.SetTraceback("crash")
}

func TestAdds(t *testing.T) {}

func TestPays(t *testing.T) {
	for _, way := range []string{"cash", "by card"} {
		t.Run(way, func(t *testing.T) {
			if way == "by card" {
				*nowhere = 1
			}
		})
	}
}

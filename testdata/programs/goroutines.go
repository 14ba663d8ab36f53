// A Go program that dies in one of three ways, while other goroutines wait; the runtime prints its own trace, which is
// the right story, and dies of SIGABRT.
//
// Without an argument, of a nil pointer in an inlined function (weigh) that a closure of a generic method calls: the
// fault's handler makes it look as if weigh had called runtime.sigpanic. With "overflow", of endless recursion, which the runtime
// finds on the thread's stack. With "unlock", of a misused lock, which is fatal and no panic.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

type order struct {
	id   int
	next *order
}

type ledger[T any] struct{ entries []T }

//go:noinline
func (l *ledger[T]) each(visit func(T) int) int {
	sum := 0
	for _, entry := range l.entries {
		sum += visit(entry)
	}
	return sum
}

func weigh(o *order) int { return o.next.id }

//go:noinline
func settle(o *order, depth int) int {
	if depth > 0 {
		return settle(o, depth-1) + 1
	}
	return weigh(o) + 1
}

//go:noinline
func descend(depth int) int { return descend(depth+1) + 1 }

//go:noinline
func release(lock *sync.Mutex) { lock.Unlock() }

func main() {
	debug.SetTraceback("crash")
	debug.SetMaxStack(1 << 20)
	var waiting sync.WaitGroup
	tickets := make(chan int)
	for i := 0; i < 3; i++ {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			<-tickets
		}()
	}
	switch {
	case len(os.Args) < 2:
		orders := ledger[*order]{entries: []*order{{id: 1}}}
		fmt.Println(orders.each(func(o *order) int { return settle(o, 2) * 2 }))
	case os.Args[1] == "overflow":
		fmt.Println(descend(0))
	case os.Args[1] == "unlock":
		release(new(sync.Mutex))
	}
	close(tickets)
	waiting.Wait()
}

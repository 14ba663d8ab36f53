// Dies of a panic, or of an error that Go's runtime finds. Its argument says of which.
//: go_nil; signal=ABRT; class=go_panic:nil_deref; in=main.weigh; holds=invalid memory address or nil pointer dereference
//: go_nil_map; signal=ABRT; class=go_panic; in=main.count; message=assignment to entry in nil map
//: go_index; signal=ABRT; class=go_panic:index; in=main.nth; holds=index out of range [7] with length 3
//: go_slice; signal=ABRT; class=go_panic; in=main.tail; holds=slice bounds out of range [7:3]
//: go_divide; signal=ABRT; class=go_panic; in=main.share; holds=integer divide by zero
//: go_explicit; signal=ABRT; class=go_panic:explicit; in=main.load; message=no such file: config.yaml
//: go_error; signal=ABRT; class=go_panic; in=main.connect; holds=connection refused by host 7
//: go_assertion; signal=ABRT; class=go_panic; in=main.text; holds=interface conversion: interface {} is int, not string
//: go_in_goroutine; signal=ABRT; class=go_panic:explicit; in=main.work; message=worker 3 is out of work
//: go_all_asleep; signal=ABRT; class=go_panic:fatal_error; holds=all goroutines are asleep - deadlock!
//: go_unlock; signal=ABRT; class=go_panic:fatal_error; in=main.release; holds=unlock of unlocked mutex
//: go_overflow; signal=ABRT; class=stack_overflow|go_panic:fatal_error; in=main.descend; why=the runtime finds the overflow itself and calls it a fatal error
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

type order struct {
	name [4]int
	next *order
}

func weigh(o *order) int { return o.name[2] + 1 }

func count(words map[string]int) int {
	words["one"]++
	return len(words)
}

func nth(numbers []int, at int) int { return numbers[at] + 1 }

func tail(numbers []int, from int) int { return len(numbers[from:]) + 1 }

func share(of, among int) int { return of/among + 1 }

func load(name string) int {
	if len(name) > 3 {
		panic("no such file: " + name)
	}
	return 1
}

func connect(host int) int {
	if host > 3 {
		panic(fmt.Errorf("connection refused by host %d", host))
	}
	return 1
}

func text(of interface{}) int { return len(of.(string)) + 1 }

func work(number int) int {
	if number == 3 {
		panic(fmt.Sprintf("worker %d is out of work", number))
	}
	return number
}

func wait(answers chan int) int { return <-answers + 1 }

//go:noinline
func release(lock *sync.Mutex) int {
	lock.Unlock()
	return 1
}

//go:noinline
func descend(depth int) int { return descend(depth+1) + 1 }

var (
	nobody  *order
	nothing map[string]int
	three   = []int{1, 2, 3}
	zero    int
	anyone  interface{} = 7
)

var ways = map[string]func() int{
	"go_nil":       func() int { return weigh(nobody) + 1 },
	"go_nil_map":   func() int { return count(nothing) + 1 },
	"go_index":     func() int { return nth(three, 7+zero) + 1 },
	"go_slice":     func() int { return tail(three, 7+zero) + 1 },
	"go_divide":    func() int { return share(7, zero) + 1 },
	"go_explicit":  func() int { return load("config.yaml") + 1 },
	"go_error":     func() int { return connect(7+zero) + 1 },
	"go_assertion": func() int { return text(anyone) + 1 },
	"go_in_goroutine": func() int {
		done := make(chan int)
		go func() { done <- work(3 + zero) }()
		return <-done + 1
	},
	"go_all_asleep": func() int { return wait(make(chan int)) + 1 },
	"go_unlock":     func() int { return release(new(sync.Mutex)) + 1 },
	"go_overflow":   func() int { return descend(zero) + 1 },
}

func main() {
	debug.SetTraceback("crash")
	debug.SetMaxStack(1 << 20)
	way, known := ways[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "no such way to die:", os.Args[1])
		os.Exit(3)
	}
	os.Exit(way() & 1)
}

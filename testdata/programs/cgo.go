// Go calls C, which calls Go, which calls C, which reads from NULL. Each call changes the stack: C runs on the thread's,
// Go on the goroutine's.
//
// The right story: read_through, which crashed, below main.visit, below walk, below main.main.
package main

/*
extern int visit(int *);

__attribute__((noinline)) static int read_through(int *p, int depth)
{
	volatile int level = depth;
	return level > 0 ? read_through(p, level - 1) + level : *p;
}

__attribute__((noinline)) static int walk(int *p)
{
	volatile int one = 1;
	return visit(p) + one;
}
*/
import "C"
import "runtime/debug"

//export visit
func visit(p *C.int) C.int { return C.read_through(nil, 2) }

//go:noinline
func start() int {
	var number C.int
	return int(C.walk(&number))
}

func main() {
	debug.SetTraceback("crash")
	println(start())
}

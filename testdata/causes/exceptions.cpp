/* Dies because of an exception that nobody catches, or because the C++ library gives up. */
//: throw_runtime; signal=ABRT; class=cxx_exception:std::runtime_error; in=connect; type=std::runtime_error; message=no route to host 10.0.0.7
//: throw_range; signal=ABRT; class=cxx_exception:std::out_of_range; in=third; type=std::out_of_range; builds=libstdcxx; message=vector::_M_range_check: __n (which is 2) >= this->size() (which is 1)
//: throw_range_libcxx; signal=ABRT; class=cxx_exception:std::out_of_range; in=third; type=std::out_of_range; builds=libcxx; message=vector
//: throw_int; signal=ABRT; class=cxx_exception:int; in=fail_by_number; type=int; holds=4711
//: throw_text; signal=ABRT; class=cxx_exception; in=fail_by_text; holds=the disk is full
//: throw_string; signal=ABRT; class=cxx_exception; in=fail_by_string; holds=a longer text that lies on the heap
//: throw_custom; signal=ABRT; class=cxx_exception:shop::OutOfStock; in=order; type=shop::OutOfStock; message=only 3 of article 17 are left
//: throw_derived; signal=ABRT; class=cxx_exception:shop::PaymentError; in=pay; type=shop::PaymentError; message=card 4711 was refused
//: throw_nothing; signal=ABRT; class=cxx_exception:shop::Closed; in=enter; type=shop::Closed
//: throw_system; signal=ABRT; class=cxx_exception:std::system_error; in=open_device; type=std::system_error; builds=libstdcxx; message=device 3: Permission denied
//: throw_in_thread; signal=ABRT; class=cxx_exception:std::logic_error; in=work; type=std::logic_error; message=worker 3 has no work
//: throw_noexcept; signal=ABRT; class=cxx_exception:std::length_error; in=close; type=std::length_error; message=the log is too long
//: rethrow; signal=ABRT; class=cxx_exception:std::invalid_argument; in=retry; type=std::invalid_argument; message=not a number: 12x
//: throw_in_cleanup; signal=ABRT; class=cxx_exception; in=~Guard|throw_in_cleanup; message=closing failed
//: throw_bad_function; signal=ABRT; class=cxx_exception:std::bad_function_call|cxx_exception:std::__1::bad_function_call; in=fire; why=libc++ versions its name
//: throw_bad_cast; signal=ABRT; class=cxx_exception:std::bad_cast; in=as_circle; type=std::bad_cast
//: allocation; signal=ABRT; class=cxx_bad_alloc|cxx_exception:std::bad_alloc; in=load_all; why=the exception's type says it all
//: joinable; signal=ABRT; class=cxx_no_exception; in=start_worker
//: pure_virtual; signal=ABRT; class=cxx_no_exception; in=~Shape|draw_any
//: terminate_plain; signal=ABRT; class=cxx_no_exception|abort_call; in=refuse; why=it called std::terminate by itself
//: rethrow_nothing; signal=ABRT; class=cxx_no_exception; in=throw_again
//: virtual_null; signal=SEGV; class=null_deref:read; in=draw_any
//: virtual_freed; signal=SEGV; class=use_after_free; in=draw_any; builds=libstdcxx
//: method_null; signal=SEGV; class=null_deref:write; in=rename
//: assertion_cxx; signal=ABRT; class=assertion; in=check; holds=Assertion `n % 2 == 0' failed.
//: bounds_checked; signal=ABRT; class=stl_assert; in=element; builds=libstdcxx_checked; holds=Assertion '__n < this->size()' failed.
//: front_of_empty; signal=ABRT; class=stl_assert; in=first_of; builds=libstdcxx_checked; holds=Assertion '!this->empty()' failed.
//: bounds_checked_libcxx; signal=ABRT; class=stl_assert; in=element; builds=libcxx_checked; holds=vector[] index out of bounds
//: not_rethrown; signal=ABRT; class=glibc_fatal; in=leave; builds=libstdcxx; message=FATAL: exception not rethrown
#include "ways.h"
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <typeinfo>
#include <unistd.h>
#include <vector>

namespace {
void *volatile where;
volatile size_t many = 2;

int connect(const std::string &address)
{
    throw std::runtime_error("no route to host " + address);
}
int throw_runtime(int n) { return connect("10.0.0.7") + n; }

int third(const std::vector<int> &of) { return of.at(many) + 1; }
int throw_range(int n) { return third({n}) + n; }
int throw_range_libcxx(int n) { return third({n}) + n; }

int fail_by_number(int n)
{
    throw n + 4702;
}
int throw_int(int n) { return fail_by_number(n) + n; }

int fail_by_text(int n)
{
    if (n)
        throw "the disk is full";
    return n;
}
int throw_text(int n) { return fail_by_text(n) + n; }

int fail_by_string(int n)
{
    if (n)
        throw std::string("a longer text that lies on the heap");
    return n;
}
int throw_string(int n) { return fail_by_string(n) + n; }
} // namespace

namespace shapes { // not a nameless one: a compiler that knows all shapes doesn't ask which it is
volatile int drawn;

class Shape {
public:
    Shape() = default;
    virtual ~Shape();
    virtual int draw() = 0;
};
class Square : public Shape {
    int side = 4;

public:
    int draw() override { return side; }
};
class Circle : public Shape {
    int radius = 4;

public:
    int draw() override { return radius * 3; }
};
__attribute__((noinline)) int draw_any(Shape *shape) { return shape->draw() + 1; }
Shape::~Shape() { drawn = draw_any(this); }
} // namespace shapes

using namespace shapes;

namespace shop {
class OutOfStock : public std::exception {
    std::string text;

public:
    explicit OutOfStock(std::string text) : text(std::move(text)) {}
    const char *what() const noexcept override { return text.c_str(); }
};
struct PaymentError : std::runtime_error {
    int code;
    explicit PaymentError(int code) : std::runtime_error("card " + std::to_string(code) + " was refused"), code(code) {}
};
struct Closed {};

class Till {
    int articles;

public:
    explicit Till(int articles) : articles(articles) {}
    int order(int article)
    {
        if (articles > 2)
            throw OutOfStock("only " + std::to_string(articles) + " of article " + std::to_string(article) + " are left");
        return articles;
    }
    int pay(int card)
    {
        if (articles > 2)
            throw PaymentError(card);
        return articles;
    }
    int enter()
    {
        if (articles > 2)
            throw Closed();
        return articles;
    }
};
} // namespace shop

namespace {
int throw_custom(int n) { return shop::Till(3).order(17) + n; }
int throw_derived(int n) { return shop::Till(3).pay(4711) + n; }
int throw_nothing(int n) { return shop::Till(3).enter() + n; }

int open_device(int number)
{
    throw std::system_error(EACCES, std::generic_category(), "device " + std::to_string(number));
}
int throw_system(int n) { return open_device(3) + n; }

void work(int number)
{
    throw std::logic_error("worker " + std::to_string(number) + " has no work");
}
int throw_in_thread(int n)
{
    std::thread thread(work, 3);
    thread.join();
    return n;
}

struct Log {
    int lines;
    int close() noexcept
    {
        if (lines > 3)
            throw std::length_error("the log is too long");
        return lines;
    }
};
int throw_noexcept(int n) { return Log{n}.close() + n; }

int parse(const char *text)
{
    throw std::invalid_argument(std::string("not a number: ") + text);
}
int retry(const char *text)
{
    try {
        return parse(text) + 1;
    } catch (const std::exception &) {
        if (many)
            throw;
        return 1;
    }
}
int rethrow(int n) { return retry("12x") + n; }

struct Guard {
    int handle;
    ~Guard() noexcept(false)
    {
        if (handle)
            throw std::runtime_error("closing failed");
    }
};
int throw_in_cleanup(int n)
{
    try {
        Guard guard{n};
        throw std::runtime_error("writing failed");
    } catch (const std::exception &) {
        return n;
    }
}

int fire(const std::function<int(int)> &listener, int n) { return listener(n) + 1; }
int throw_bad_function(int n) { return fire({}, n) + n; }

int as_circle(Shape &shape) { return dynamic_cast<Circle &>(shape).draw(); }
int throw_bad_cast(int n)
{
    Square *square = new Square;
    return as_circle(*square) + n;
}

int load_all(size_t count)
{
    char *all = new char[count];
    where = all;
    return all[count / 2];
}
int allocation(int n) { return load_all(many << 45) + n; }

int start_worker(int n)
{
    std::thread thread([] { sleep(100); });
    usleep(20000);
    return n + (int)many;
}
int joinable(int n) { return start_worker(n) + n; }

int pure_virtual(int n)
{
    Shape *square = new Square;
    delete square;
    return n;
}

int refuse(int n)
{
    if (n)
        std::terminate();
    return n;
}
int terminate_plain(int n) { return refuse(n) + n; }

int throw_again(int n)
{
    if (n)
        throw;
    return n;
}
int rethrow_nothing(int n) { return throw_again(n) + n; }

int virtual_null(int n) { return draw_any(static_cast<Shape *>(where)) + n; }

void (*volatile release)(void *) = free;
int virtual_freed(int n)
{
    Shape *square = new Square;
    where = square;
    release(square);
    return draw_any(static_cast<Shape *>(where)) + n;
}

struct Person {
    long id;
    long age;
    char initial;
    int rename(char to)
    {
        initial = to;
        return 1;
    }
};
int method_null(int n) { return static_cast<Person *>(where)->rename('x') + n; }

int check(int n)
{
    assert(n % 2 == 0); // dies: assertion_cxx
    return n;
}
int assertion_cxx(int n) { return check(n) + n; }

int element(const std::vector<int> &of, size_t at) { return of[at] + 1; }
int bounds_checked(int n) { return element({n, 2, 3}, many + 5) + n; }
int bounds_checked_libcxx(int n) { return element({n, 2, 3}, many + 5) + n; }
int first_of(const std::vector<int> &of) { return of.front() + 1; }
int front_of_empty(int n) { return first_of({}) + n; }

void *leave(void *argument)
{
    try {
        pthread_exit(argument);
    } catch (...) {
        return argument; // the forced unwinding has to go on
    }
}
int not_rethrown(int n)
{
    pthread_t thread;
    pthread_create(&thread, nullptr, leave, nullptr);
    pthread_join(thread, nullptr);
    return n;
}

#define WAY(name) {#name, name}
const way ways[] = {
    WAY(throw_runtime),   WAY(throw_range),     WAY(throw_range_libcxx), WAY(throw_int),      WAY(throw_text),
    WAY(throw_string),    WAY(throw_custom),    WAY(throw_derived),      WAY(throw_nothing),  WAY(throw_system),
    WAY(throw_in_thread), WAY(throw_noexcept),  WAY(rethrow),            WAY(throw_in_cleanup), WAY(throw_bad_function),
    WAY(throw_bad_cast),  WAY(allocation),      WAY(joinable),           WAY(pure_virtual),   WAY(terminate_plain),
    WAY(rethrow_nothing), WAY(virtual_null),    WAY(virtual_freed),      WAY(method_null),    WAY(assertion_cxx),
    WAY(bounds_checked),  WAY(front_of_empty),  WAY(bounds_checked_libcxx), WAY(not_rethrown),
};
} // namespace

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }

/* Dies of signals other than SIGSEGV that the processor or the kernel sends. */
//: divide_by_zero; signal=FPE; class=int_div_zero; in=average
//: remainder_by_zero; signal=FPE; class=int_div_zero; in=bucket_of
//: divide_overflow; signal=FPE; class=int_overflow_div; in=negate_by_division
//: builtin_trap; signal=ILL; class=trap; in=not_reached
//: ud2; signal=ILL; class=trap; in=halt
//: bad_opcode; signal=ILL; class=bad_opcode; in=run_new_instruction
//: breakpoint; signal=TRAP; class=trap|breakpoint; in=stop_here; why=a breakpoint is a trap
//: truncated_mapping; signal=BUS; class=bus_truncated_file; in=checksum
//: misaligned_checked; signal=BUS; class=misaligned; in=read_word
//: misaligned_vector; signal=SEGV; class=misaligned; in=load_vector
//: filter_trap; signal=SYS; class=seccomp; in=ask_parent
//: filter_kill; signal=SYS; class=seccomp; in=ask_parent
//: cpu_limit; signal=XCPU; class=resource_limit; in=spin
//: file_limit; signal=XFSZ; class=resource_limit; in=append
#define _GNU_SOURCE
#include "ways.h"
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int zero;
static volatile int smallest = INT_MIN;
static volatile int minus_one = -1;

static int average(int sum, int count) { return sum / count + 1; }
static int divide_by_zero(int n) { return average(n * 100, zero) + n; }

static unsigned bucket_of(unsigned hash, unsigned buckets) { return hash % buckets + 1; }
static int remainder_by_zero(int n) { return (int)bucket_of((unsigned)n * 100, (unsigned)zero) + n; }

static int negate_by_division(int value, int by) { return value / by + 1; }
static int divide_overflow(int n) { return negate_by_division(smallest, minus_one) + n; }

static int not_reached(int n)
{
    if (n > zero)
        __builtin_trap();
    return n;
}
static int builtin_trap(int n) { return not_reached(n) + n; }

static int halt(int n)
{
    __asm__ volatile("ud2");
    return n + 1;
}
static int ud2(int n) { return halt(n) + n; }

static int run_new_instruction(int n)
{
    __asm__ volatile(".byte 0x06"); /* push %es: there is none in 64-bit code */
    return n + 1;
}
static int bad_opcode(int n) { return run_new_instruction(n) + n; }

static int stop_here(int n)
{
    __asm__ volatile("int3");
    return n + 1;
}
static int breakpoint(int n) { return stop_here(n) + n; }

static int checksum(const volatile unsigned char *bytes, int size)
{
    int sum = 0;
    for (int i = 0; i < size; i++)
        sum += bytes[i];
    return sum;
}
static int truncated_mapping(int n)
{
    FILE *file = fopen("table", "w+");
    if (ftruncate(fileno(file), 3 * 4096))
        return 1;
    unsigned char *bytes = mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    if (ftruncate(fileno(file), 4096))
        return 1;
    unlink("table");
    return checksum(bytes, 3 * 4096) + n;
}

static __attribute__((noinline)) int read_word(const volatile char *at)
{
    int word;
    /* The flag AC makes the processor check alignment. */
    __asm__ volatile("pushf\n\torl $0x40000, (%%rsp)\n\tpopf\n\tmovl (%1), %0" : "=r"(word) : "r"(at) : "memory");
    return word + 1;
}
static int misaligned_checked(int n)
{
    static char bytes[64];
    return read_word(bytes + 1 + (n & 1) * 2) + n;
}

static __attribute__((noinline)) int load_vector(const char *at)
{
    __asm__ volatile("movaps (%0), %%xmm1" : : "r"(at) : "xmm1", "memory");
    return at[0] + 1;
}
static int misaligned_vector(int n)
{
    static char bytes[256] __attribute__((aligned(64)));
    return load_vector(bytes + 8 + zero) + n;
}

static __attribute__((noinline)) long ask_parent(void) { return syscall(SYS_getppid) + 1; }
static int filtered(unsigned verdict)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, verdict),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    return (int)ask_parent() + 1;
}
static int filter_trap(int n) { return filtered(SECCOMP_RET_TRAP) + n; }
static int filter_kill(int n) { return filtered(SECCOMP_RET_KILL_PROCESS) + n; }

static __attribute__((noinline)) int spin(volatile unsigned *count)
{
    while (*count + 1)
        (*count)++;
    return 1;
}
static int cpu_limit(int n)
{
    static volatile unsigned count;
    struct rlimit limit = {1, 10};
    setrlimit(RLIMIT_CPU, &limit);
    for (;;)
        n += spin(&count);
}

static __attribute__((noinline)) int append(int file, const char *text)
{
    return (int)pwrite(file, text, strlen(text), 64 << 20) + 1; /* far beyond the limit; the core has to stay below it */
}
static int file_limit(int n)
{
    FILE *file = tmpfile();
    struct rlimit limit = {32 << 20, 32 << 20};
    setrlimit(RLIMIT_FSIZE, &limit);
    return append(fileno(file), "one line too many\n") + n;
}

#define WAY(name) {#name, name}
static const struct way ways[] = {
    WAY(divide_by_zero),    WAY(remainder_by_zero),  WAY(divide_overflow),   WAY(builtin_trap), WAY(ud2),
    WAY(bad_opcode),        WAY(breakpoint),         WAY(truncated_mapping), WAY(misaligned_checked),
    WAY(misaligned_vector), WAY(filter_trap),        WAY(filter_kill),       WAY(cpu_limit),    WAY(file_limit),
};

int main(int argc, char **argv) { return CHOOSE(ways, argc, argv); }

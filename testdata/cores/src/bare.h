/* What bare.c needs of an architecture: where a process starts, a system call, and a signal handler's installation.
 *
 * Register use: syscall(2), "Architecture calling conventions", and each architecture's procedure call standard. */
#include <asm/unistd.h>

/* long raw_syscall(long number, long a, long b, long c, long d) */
long raw_syscall(long number, long a, long b, long c, long d);

enum { SA_SIGINFO_KERNEL = 4, SA_RESTORER_KERNEL = 0x04000000 };

/* The kernel's own struct sigaction: riscv has no member for a restorer, which the vDSO has. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
#ifndef __riscv
    void (*restorer)(void);
#endif
    unsigned long mask[8 / sizeof(unsigned long)];
};

/* 32-bit Arm has two instruction sets: the compiler's own choice is the assembler's too. */
#if defined(__thumb__)
#define MODE ".syntax unified\n.thumb\n.thumb_func\n"
#elif defined(__arm__)
#define MODE ".arm\n"
#else
#define MODE ""
#endif

#define START(body)                                                                                                   \
    __asm__(".pushsection .text,\"ax\"\n.balign 16\n.globl _start\n.type _start, %function\n" MODE "_start:\n" body       \
            ".size _start, . - _start\n.popsection\n")
#define FUNCTION(name, body)                                                                                          \
    __asm__(".pushsection .text,\"ax\"\n.balign 16\n.globl " name "\n.type " name ", %function\n" MODE name ":\n" body \
            ".size " name ", . - " name "\n.popsection\n")

#if defined(__aarch64__)
START(".cfi_startproc\n.cfi_undefined x30\nmov x29, #0\nmov x30, #0\nbl start\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\nmov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\nmov x3, x4\nsvc #0\nret\n.cfi_endproc\n");
#elif defined(__arm__)
/* As the compiler has it there: exception tables are loaded with the program, CFI is debug information. */
__asm__(".cfi_sections .debug_frame\n");
START(".fnstart\n.cantunwind\n.cfi_startproc\n.cfi_undefined lr\nmov fp, #0\nmov lr, #0\nbl start\n.cfi_endproc\n.fnend\n");
FUNCTION("raw_syscall",
         ".fnstart\n.cfi_startproc\npush {r7, lr}\n.save {r7, lr}\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset r7, 0\n"
         ".cfi_rel_offset lr, 4\nmov r7, r0\nmov r0, r1\nmov r1, r2\nmov r2, r3\nldr r3, [sp, #8]\nsvc #0\n"
         "pop {r7, pc}\n.cfi_endproc\n.fnend\n");
/* Exception tables name them, to pull in the runtime that interprets the tables. */
void __aeabi_unwind_cpp_pr0(void);
void __aeabi_unwind_cpp_pr1(void);
void __aeabi_unwind_cpp_pr0(void) {}
void __aeabi_unwind_cpp_pr1(void) {}
#elif defined(__i386__)
START(".cfi_startproc\n.cfi_undefined eip\nxor %ebp, %ebp\nand $-16, %esp\ncall start\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\npush %ebx\n.cfi_adjust_cfa_offset 4\n.cfi_rel_offset ebx, 0\n"
         "push %esi\n.cfi_adjust_cfa_offset 4\n.cfi_rel_offset esi, 0\n"
         "mov 12(%esp), %eax\nmov 16(%esp), %ebx\nmov 20(%esp), %ecx\nmov 24(%esp), %edx\nmov 28(%esp), %esi\n"
         "int $0x80\npop %esi\n.cfi_adjust_cfa_offset -4\n.cfi_restore esi\n"
         "pop %ebx\n.cfi_adjust_cfa_offset -4\n.cfi_restore ebx\nret\n.cfi_endproc\n");
#elif defined(__x86_64__)
START(".cfi_startproc\n.cfi_undefined rip\nxor %ebp, %ebp\nand $-16, %rsp\ncall start\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\nmov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\n"
         "syscall\nret\n.cfi_endproc\n");
#elif defined(__s390x__)
START(".cfi_startproc\n.cfi_undefined r14\nlghi %r11, 0\naghi %r15, -160\nbrasl %r14, start\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\nlgr %r1, %r2\nlgr %r2, %r3\nlgr %r3, %r4\nlgr %r4, %r5\nlgr %r5, %r6\nsvc 0\nbr %r14\n"
         ".cfi_endproc\n");
#elif defined(__powerpc64__)
START(".cfi_startproc\n.cfi_undefined lr\n"
      "addis 2, 12, .TOC.-_start@ha\naddi 2, 2, .TOC.-_start@l\n"
      "li 0, 0\nmtlr 0\nstdu 0, -32(1)\nbl start\nnop\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\nmr 0, 3\nmr 3, 4\nmr 4, 5\nmr 5, 6\nmr 6, 7\nsc\nblr\n.cfi_endproc\n");
#elif defined(__riscv)
START(".cfi_startproc\n.cfi_undefined ra\n.option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
      "li s0, 0\nli ra, 0\ncall start\n.cfi_endproc\n");
FUNCTION("raw_syscall",
         ".cfi_startproc\nmv a7, a0\nmv a0, a1\nmv a1, a2\nmv a2, a3\nmv a3, a4\necall\nret\n.cfi_endproc\n");
#endif

/* The code that a handler returns to, where the kernel doesn't bring its own: as C libraries have it. */
#if defined(__i386__)
#define RESTORER 1
FUNCTION("__restore_rt", "mov $173, %eax\nint $0x80\n");
#elif defined(__x86_64__)
#define RESTORER 1
FUNCTION("__restore_rt", "mov $15, %rax\nsyscall\n");
#elif defined(__arm__)
#define RESTORER 1
FUNCTION("__restore_rt", "mov r7, #173\nsvc #0\n");
#endif
void __restore_rt(void);

static inline void handle_signal(int number, void (*handler)(int))
{
    struct kernel_sigaction action = {.handler = handler, .flags = SA_SIGINFO_KERNEL};
#ifdef RESTORER
    action.flags |= SA_RESTORER_KERNEL;
    action.restorer = __restore_rt;
#endif
    raw_syscall(__NR_rt_sigaction, number, (long)&action, 0, sizeof action.mask);
}

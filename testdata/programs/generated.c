/* Dies in code that the program wrote into memory itself, as a just-in-time compiler does: there is no file behind it,
 * no symbol, and no call frame information.
 *
 * The story: SIGSEGV in nameless code <- run <- main. */
#include <string.h>
#include <sys/mman.h>

static const unsigned char code[] = {
    0x55,             /* push %rbp */
    0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
    0x53,             /* push %rbx */
    0x31, 0xdb,       /* xor %ebx, %ebx */
    0x8b, 0x03,       /* mov (%rbx), %eax */
    0x5b,             /* pop %rbx */
    0x5d,             /* pop %rbp */
    0xc3,             /* ret */
};

static int run(int (*function)(void))
{
    return function() + 1;
}

int main(void)
{
    int protection = PROT_READ | PROT_WRITE | PROT_EXEC;
    void *page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    return run((int (*)(void))page);
}

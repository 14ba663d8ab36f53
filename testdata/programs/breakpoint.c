/* Stops at a breakpoint that is its function's last instruction: the program counter is in the next function already. */
extern _Noreturn void give_up(const char *why);
extern int next_function(const char *why);

__asm__(".text\n"
        ".globl give_up\n"
        ".type give_up, @function\n"
        "give_up:\n"
        "  .cfi_startproc\n"
        "  push %rdi\n"
        "  .cfi_adjust_cfa_offset 8\n"
        "  int3\n"
        "  .cfi_endproc\n"
        ".size give_up, . - give_up\n"
        ".globl next_function\n"
        ".type next_function, @function\n"
        "next_function:\n"
        "  .cfi_startproc\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".size next_function, . - next_function\n");

static __attribute__((noinline)) int check(int n)
{
    if (n > 0)
        give_up("positive");
    return next_function("not positive");
}

int main(int argc, char **argv)
{
    (void)argv;
    return check(argc) + 1;
}

/* Dies by a failed assertion.
 *
 * The story: SIGABRT; __assert_fail <- check_age <- main. libc holds the message in __abort_msg. */
#include <assert.h>

static int check_age(int age)
{
    assert(age >= 0 && "nobody is that young");
    return age;
}

int main(int argc, char **argv)
{
    (void)argv;
    return check_age(-argc);
}

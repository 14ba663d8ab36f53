/* Dies by abort() with secrets wherever a program may have them. None is in the program itself: they come from its
 * environment (DEPLOY_TOKEN, UNSET_SECRET) and its arguments.
 *
 * The story: SIGABRT, sent by the process to itself. abort <- give_up <- handle <- main; another thread sleeps in
 * wait_with. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LONGEST = 200, PAGE = 4096, LARGE = 16 << 20 };

static char in_data[LONGEST] = "to be overwritten";
static char in_bss[LONGEST];
static pthread_barrier_t ready;

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* A secret that no other process ever knew: the token, backwards. */
static void made_here(char *made, const char *token)
{
    size_t length = strlen(token);
    for (size_t index = 0; index < length; index++)
        made[index] = token[length - 1 - index];
    made[length] = 0;
}

static void *wait_with(void *token)
{
    char mine[LONGEST];
    strcpy(mine, token);
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    return mine;
}

__attribute__((noinline)) static void give_up(const char *edge)
{
    if (*edge != '?')
        abort();
}

__attribute__((noinline)) static void handle(const char *token, const char *argument)
{
    char on_stack[LONGEST], header[2 * LONGEST], wide[2 * LONGEST] = {0};
    strcpy(on_stack, token);
    strcpy(in_data, token);
    strcpy(in_bss, argument);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\nX-Password: %s\r\n", token, argument);
    for (size_t index = 0; token[index]; index++)
        wide[2 * index] = token[index];

    char *made = malloc(LONGEST);
    made_here(made, token);
    setenv("SESSION_SECRET", made, 1);
    setenv("OTHER", "value", 1);
    unsetenv("UNSET_SECRET");
    char *on_heap = strdup(argument);

    /* Across the border of two pages, of which a slim core may keep only the one that is pointed to. */
    char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *edge = large + LARGE / 2 - 8;
    strcpy(edge, token);
    strcpy(large + LARGE / 4 + PAGE - 8, made);
    const char *behind = large + LARGE / 4 + PAGE;

    give_up(edge);
    printf("%s%s%s%s%s%s", on_stack, header, wide, on_heap, made, behind);
}

int main(int argc, char **argv)
{
    pthread_t other;
    const char *token = variable("DEPLOY_TOKEN");
    const char *argument = "";
    for (int index = 1; index + 1 < argc; index++)
        if (strcmp(argv[index], "--password") == 0)
            argument = argv[index + 1];
    pthread_barrier_init(&ready, NULL, 2);
    pthread_create(&other, NULL, wait_with, (void *)token);
    pthread_barrier_wait(&ready);
    handle(token, argument);
    return 0;
}

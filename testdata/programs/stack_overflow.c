/* Dies by endless recursion of two functions that call each other.
 *
 * The story: SIGSEGV just below the stack's mapping; ping <- pong <- ping <- pong ..., tens of thousands of
 * frames, and main at the very end. The fault is in the function whose frame didn't fit. */
static int pong(int depth);

static int ping(int depth)
{
    volatile char frame[96];
    frame[0] = (char)depth;
    return pong(depth + 1) + frame[0];
}

static int pong(int depth)
{
    volatile char frame[96];
    frame[0] = (char)depth;
    return ping(depth + 1) + frame[0];
}

int main(void)
{
    return ping(0);
}

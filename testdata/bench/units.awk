# Writes the program that calls through STEPS of the COUNT copies of a unit, spread evenly, and dies in spoil.
BEGIN {
    print "#include <stddef.h>"
    print "struct chain { int (*step)(const struct chain *); };"
    print "static int spoil(const struct chain *chain)\n{\n    volatile int *nothing = NULL;\n    return *nothing + (chain != NULL);\n}"
    for (i = 0; i < STEPS; i++)
        printf "int u%d_step(const struct chain *);\n", int(i * COUNT / STEPS)
    print "int main(void)\n{\n    static const struct chain chain[] = {"
    for (i = 0; i < STEPS; i++)
        printf "        {u%d_step},\n", int(i * COUNT / STEPS)
    print "        {spoil},\n    };\n    return chain->step(chain);\n}"
}

# Writes a C unit with much debug information: COUNT records, each with functions that are inlined into each other.
# Its one entry, step, calls the next step of a chain from within two inlined functions.
BEGIN {
    print "struct chain { int (*step)(const struct chain *); };"
    print "struct record_0 { int id_0; };"
    print "static inline int weigh_0(struct record_0 *record, int times) { return record->id_0 * times; }"
    for (i = 1; i < COUNT; i++) {
        p = i - 1
        printf "struct record_%d {\n    int id_%d;\n    unsigned long size_%d;\n    struct record_%d *previous;\n    char name_%d[%d];\n};\n", i, i, i, p, i, i % 50 + 1
        printf "static inline int weigh_%d(struct record_%d *record, int times)\n{\n    int sum = record->id_%d;\n", i, i, i
        printf "    for (int round = 0; round < times; round++) {\n        int part = record->name_%d[round] * %d;\n", i, i
        printf "        if (part > times)\n            sum += part;\n        else\n            sum ^= round;\n    }\n    return sum;\n}\n"
        printf "int total_%d(struct record_%d *record, int times)\n{\n    int first = weigh_%d(record, times);\n", i, i, i
        printf "    int second = weigh_%d(record->previous, first);\n    return first - second;\n}\n", p
    }
    print "static inline int call(const struct chain *next)\n{\n    return next->step(next) + 1;\n}\n"
    print "static inline int forward(const struct chain *chain)\n{\n    const struct chain *next = chain + 1;\n    return call(next) * 2;\n}\n"
    print "int step(const struct chain *chain)\n{\n    return forward(chain) + 3;\n}"
}

/* Included before a program that is built anew after an unrelated change: every address in it moves. */
#ifndef REBUILT_H
#define REBUILT_H
__attribute__((used)) static int unrelated(int n)
{
    int table[24];
    for (int i = 0; i < 24; i++)
        table[i] = n * i + 7;
    return table[n & 15];
}

__attribute__((used)) static double also_unrelated(double x) { return x * 1.5 + unrelated((int)x); }
#endif

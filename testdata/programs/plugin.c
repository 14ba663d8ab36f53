/* The library that plugin_host.c loads: it follows a pointer that its host got wrong. */
static int first_word(const int *record)
{
    return record[0];
}

int plugin_handle(const int *record)
{
    int word = first_word(record);
    return word + 1;
}

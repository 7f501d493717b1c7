/* Values as words of a line, in both directions. */
#ifndef WORDS_H
#define WORDS_H

#include "server.h"

void put_text(output *, const char *);
void put_path(output *, const path *);
void put_instance(output *, const instance *);
void put_entries(output *, const entries *);
void put_data(output *, const CMPIData *);

/* The words of a line that was read, one after the other. */
typedef struct words {
    char *rest;
} words;
const char *next_word(words *);
int next_number(words *);
/* NULL for the word -; what % escapes is itself again. */
char *next_text(words *);
path *next_path(words *);
instance *next_instance(words *);
void next_entries(words *, entries *);
const char **next_texts(words *);

#endif

/* The tables of a server: the broker, contexts, results and errors. */
#ifndef SERVER_H
#define SERVER_H

#include "objects.h"

/* Lines that are written as a whole, each with a zero behind it. */
typedef struct output {
    char *text;
    size_t length;
    size_t room;
} output;
void put_line_part(output *, const char *form, ...) __attribute__((format(printf, 2, 3)));

typedef struct result {
    CMPIResult as_seen;
    output *to;
    int is_done;
    int counted;
} result;

/* What is returned is counted, and not written. */
extern int only_counts;

extern CMPIBroker broker;
void broker_play(const char *flavour_name);
/* Leaves out a function of the tables by its name. */
void broker_leave_out(const char *slot);
CMPIContext *new_context(const char *principal, const char *languages);
void free_request_context(CMPIContext *);
void new_result(result *, output *);
/* What was delivered until now is written and forgotten; waits until there is so much. */
void delivered(output *, int at_least);
int contexts_in_use(void);
/* Does what a line says, and writes what a provider gave; 0 after the last. */
int do_command(output *, char *line);

#endif

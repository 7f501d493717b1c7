/* The objects of a CIM server, as little of each as a provider can see, and what makes them. */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stddef.h>
#include <stdio.h>

#include "abi.h"

/* What is made for a request is freed with it, as servers do. */
typedef struct pool pool;
pool *pool_new(void);
void pool_free(pool *);
void *pool_get(pool *, size_t);
char *pool_text(pool *, const char *);
/* That of the request, or of the attached thread: a thread that is neither ends the process. */
pool *pool_here(void);
void pool_enter(pool *);

typedef struct entry {
    char *name;
    CMPIData data;
} entry;

typedef struct entries {
    entry *all;
    CMPICount count;
    CMPICount room;
} entries;

typedef struct path {
    CMPIObjectPath as_seen;
    char *name_space;
    char *class_name;
    entries keys;
} path;

typedef struct instance {
    CMPIInstance as_seen;
    path *of;
    entries properties;
} instance;

typedef struct args {
    CMPIArgs as_seen;
    entries all;
} args;

typedef struct array {
    CMPIArray as_seen;
    CMPIType type;
    CMPICount count;
    CMPIData *items;
} array;

/* What is said of the server that is played. */
typedef struct flavour {
    const char *name;
    uint32_t capabilities;
    int32_t version;
    int embeds; /* instances as values of properties */
} flavour;
extern const flavour *played;
/* A property that is refused with a status; "" for none. */
extern char refused[128];
extern CMPIrc refused_with;
/* Waits until so many values were refused. */
void await_refusals(int);

CMPIString *new_string(const char *);
CMPIDateTime *new_datetime(const char *);
path *new_path(const char *name_space, const char *class_name);
instance *new_instance(path *);
args *new_args(void);
array *new_array(CMPIType, CMPICount);
const char *text_of(const CMPIString *);
const char *datetime_text(const CMPIDateTime *);
CMPIStatus add_entry(entries *, const char *name, const CMPIValue *, CMPIType);

/* Ends the process, after saying what nobody expected. */
void surprise(void);
__attribute__((noreturn)) void unexpected(const char *what);

#endif

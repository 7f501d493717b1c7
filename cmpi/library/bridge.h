/* What the parts of the bridge know of each other. docs/hosting.md says what it is for.
 *
 * Between C and Python goes one block of bytes in each direction, in the byte order of the machine:
 *   text      uint32 length, the bytes in UTF-8, a zero; a length of ABSENT stands for none
 *   value     uint16 CMPI type, uint8 1 where it is NULL, else its contents
 *   contents  integers, booleans and characters in 8 bytes, reals as a double, datetimes as their
 *             text; of an array uint32 length, then for each element uint8 1 for NULL or contents
 *   path      text namespace, text class, uint16 number of keys, then text name and value of each
 *   instance  path, uint16 number of properties, then text name and value of each
 */
#ifndef VIRTCIM_CMPI_BRIDGE_H
#define VIRTCIM_CMPI_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define ABSENT UINT32_MAX
/* As much as is told of a start that failed: the end of a traceback. */
#define MOST_REASON 4096

/* One request of the server, for as long as it takes. */
typedef struct virtcim_call {
    const CMPIBroker *broker;
    const CMPIContext *context;
    const CMPIResult *result;
    const CMPIArgs *out;
    CMPIStatus status;
    int refused; /* the status is the server's own, and Python is to be told */
    int left_out; /* properties that the server would not take */
    char reason[256]; /* the first of them, or why something failed, for the log */
} virtcim_call;

enum virtcim_interface { INSTANCE_MI, ASSOCIATION_MI, METHOD_MI, INDICATION_MI };

enum virtcim_operation {
    OPEN,
    CLEANUP,
    ENUMERATE_INSTANCES,
    ENUMERATE_INSTANCE_NAMES,
    GET_INSTANCE,
    CREATE_INSTANCE,
    MODIFY_INSTANCE,
    DELETE_INSTANCE,
    EXEC_QUERY,
    ASSOCIATORS,
    ASSOCIATOR_NAMES,
    REFERENCES,
    REFERENCE_NAMES,
    INVOKE_METHOD,
    AUTHORIZE_FILTER,
    MUST_POLL,
    ACTIVATE_FILTER,
    DEACTIVATE_FILTER,
    ENABLE_INDICATIONS,
    DISABLE_INDICATIONS
};

/* A block that grows while it is written; failed where memory ran out, or what is written has no
 * end. */
typedef struct virtcim_block {
    char *bytes;
    size_t length;
    size_t room;
    int failed;
    int too_deep;
} virtcim_block;

/* from_cmpi.c: what the server gave becomes part of a block. */
void virtcim_put(virtcim_block *, const void *bytes, size_t length);
void virtcim_put_number(virtcim_block *, uint32_t);
void virtcim_put_text(virtcim_block *, const char *);
void virtcim_put_texts(virtcim_block *, const char **);
void virtcim_put_context(virtcim_block *, const CMPIContext *);
void virtcim_put_path(virtcim_block *, const CMPIObjectPath *);
void virtcim_put_instance(virtcim_block *, const CMPIInstance *);
void virtcim_put_arguments(virtcim_block *, const CMPIArgs *);
/* Whether values of a type are integers, booleans or characters. */
int virtcim_is_simple(CMPIType);

/* Where reading a block has got to; at is NULL once it was found damaged. */
typedef struct virtcim_cursor {
    const char *at;
    const char *end;
} virtcim_cursor;

/* to_cmpi.c: parts of a block become objects of the server; NULL and a status where that fails. */
unsigned virtcim_take_byte(virtcim_cursor *);
uint16_t virtcim_take_short(virtcim_cursor *);
uint32_t virtcim_take_number(virtcim_cursor *);
const char *virtcim_take_text(virtcim_cursor *);
/* The same; the end is behind its zero. */
const char *virtcim_take_text_of(virtcim_cursor *, const char **end);
CMPIArray *virtcim_take_texts(virtcim_call *, virtcim_cursor *);
CMPIObjectPath *virtcim_take_path(virtcim_call *, virtcim_cursor *);
CMPIInstance *virtcim_take_instance(virtcim_call *, virtcim_cursor *);
int virtcim_take_value(virtcim_call *, virtcim_cursor *, CMPIValue *, CMPIType *, int *is_null);
/* uint16 number of properties, then text name and value of each */
void virtcim_take_properties(virtcim_call *, virtcim_cursor *, const CMPIInstance *);
CMPIObjectPath *virtcim_new_path(virtcim_call *, const char *name_space, const char *class_name);
CMPIInstance *virtcim_new_instance(virtcim_call *, const CMPIObjectPath *);
/* What came of adding a value; a property may be left out of an instance. */
void virtcim_added(virtcim_call *, CMPIStatus, const char *name, int may_leave_out);
void virtcim_refuse(virtcim_call *, CMPIrc, const char *what, const char *which);
void virtcim_damaged(virtcim_call *);

/* alike.c: what is 'n' for names, 'a' for associations, 'b' for their names alone. */
void virtcim_give_alike(virtcim_call *, virtcim_cursor *, int what);

/* answers.c */
CMPIString *virtcim_string(const CMPIBroker *, const char *);
const char *virtcim_lacking(const CMPIBroker *);
int virtcim_carries_errors(const CMPIBroker *, const CMPIResult *);

/* start.c: 0, or -1 and the reason. */
int virtcim_start(char *reason, size_t room);

/* Made by cffi. */
extern int virtcim_connect_python(void);
extern int virtcim_serve(virtcim_call *, int provider, int operation, const char *block,
                         size_t length);

/* What Python calls (embedded.py). */
int virtcim_give(virtcim_call *, const char *block, size_t length);
int virtcim_deliver(const CMPIBroker *, CMPIContext **attached, const char *block, size_t length,
                    char *reason, size_t room);
CMPIContext *virtcim_prepare(virtcim_call *);
void virtcim_forget(CMPIContext *);
/* Whether a class is another one or its subclass; -1 where the server cannot tell. */
int virtcim_is_a(virtcim_call *, const char *name_space, const char *class_name,
                 const char *ancestor);

#endif

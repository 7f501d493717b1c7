/* Blocks of bytes from Python, as objects of the server. */
#include <stdio.h>
#include <string.h>

#include "bridge.h"

static const void *take(virtcim_cursor *cursor, size_t length)
{
    if (cursor->at == NULL || length > (size_t)(cursor->end - cursor->at)) {
        cursor->at = NULL;
        return NULL;
    }
    const void *found = cursor->at;
    cursor->at += length;
    return found;
}

unsigned virtcim_take_byte(virtcim_cursor *cursor)
{
    const uint8_t *found = take(cursor, sizeof *found);
    return found == NULL ? 0 : *found;
}

uint16_t virtcim_take_short(virtcim_cursor *cursor)
{
    uint16_t number = 0;
    const void *found = take(cursor, sizeof number);
    if (found != NULL)
        memcpy(&number, found, sizeof number);
    return number;
}

uint32_t virtcim_take_number(virtcim_cursor *cursor)
{
    uint32_t number = 0;
    const void *found = take(cursor, sizeof number);
    if (found != NULL)
        memcpy(&number, found, sizeof number);
    return number;
}

const char *virtcim_take_text_of(virtcim_cursor *cursor, const char **end)
{
    uint32_t length = virtcim_take_number(cursor);
    if (length == ABSENT || cursor->at == NULL)
        return NULL;
    const char *text = take(cursor, (size_t)length + 1);
    if (text != NULL && text[length] != '\0')
        cursor->at = text = NULL;
    *end = text == NULL ? NULL : text + length + 1;
    return text;
}

const char *virtcim_take_text(virtcim_cursor *cursor)
{
    const char *end;
    return virtcim_take_text_of(cursor, &end);
}

void virtcim_refuse(virtcim_call *call, CMPIrc rc, const char *what, const char *which)
{
    if (call->status.rc == CMPI_RC_OK) {
        call->status.rc = rc == CMPI_RC_OK ? CMPI_RC_ERR_FAILED : rc;
        call->refused = 1;
        snprintf(call->reason, sizeof call->reason, "the CIM server refuses %s %s with status %d",
                 what, which == NULL ? "" : which, (int)rc);
    }
}

void virtcim_damaged(virtcim_call *call)
{
    virtcim_refuse(call, CMPI_RC_ERR_FAILED, "nothing, but a block is damaged", NULL);
}

/* The names that keys, properties and arguments have, and what they are added to. */
typedef CMPIStatus adder(const void *object, const char *name, const CMPIValue *, CMPIType);

static CMPIStatus add_key(const void *object, const char *name, const CMPIValue *value,
                          CMPIType type)
{
    const CMPIObjectPath *path = object;
    return path->ft->addKey(path, name, value, type);
}

static CMPIStatus add_property(const void *object, const char *name, const CMPIValue *value,
                               CMPIType type)
{
    const CMPIInstance *instance = object;
    return instance->ft->setProperty(instance, name, value, type);
}

/* What the server's class does not have, or has as something else, is left out and counted. */
static int is_left_out(CMPIrc rc)
{
    return rc == CMPI_RC_ERR_NO_SUCH_PROPERTY || rc == CMPI_RC_ERR_TYPE_MISMATCH ||
           rc == CMPI_RC_ERR_INVALID_DATA_TYPE;
}

void virtcim_added(virtcim_call *call, CMPIStatus status, const char *name, int may_leave_out)
{
    if (status.rc == CMPI_RC_OK)
        return;
    if (!may_leave_out || !is_left_out(status.rc)) {
        virtcim_refuse(call, status.rc, "the value of", name);
    } else if (call->left_out++ == 0) {
        snprintf(call->reason, sizeof call->reason,
                 "the CIM server does not take the value of %s (status %d)", name, (int)status.rc);
    }
}

static void add(virtcim_call *call, virtcim_cursor *cursor, adder *to, const void *object,
                int may_leave_out)
{
    const char *name = virtcim_take_text(cursor);
    CMPIValue value;
    CMPIType type;
    int is_null;
    CMPIStatus status;
    /* A text that goes into a property needs no object: it is the value itself. */
    virtcim_cursor ahead = *cursor;
    if (virtcim_take_short(&ahead) == CMPI_string && virtcim_take_byte(&ahead) == 0) {
        const char *text = virtcim_take_text(&ahead);
        *cursor = ahead;
        if (name == NULL || text == NULL) {
            virtcim_damaged(call);
            return;
        }
        status = to(object, name, (const CMPIValue *)(const void *)text, CMPI_chars);
    } else {
        if (virtcim_take_value(call, cursor, &value, &type, &is_null) != 0 || name == NULL) {
            virtcim_damaged(call);
            return;
        }
        status = to(object, name, is_null ? NULL : &value, type);
    }
    virtcim_added(call, status, name, may_leave_out);
}

CMPIObjectPath *virtcim_new_path(virtcim_call *call, const char *name_space,
                                 const char *class_name)
{
    CMPIStatus status = {CMPI_RC_OK, NULL};
    const CMPIBroker *broker = call->broker;
    CMPIObjectPath *path = broker->eft->newObjectPath(broker, name_space == NULL ? "" : name_space,
                                                      class_name, &status);
    if (path != NULL && status.rc == CMPI_RC_OK)
        return path;
    virtcim_refuse(call, status.rc, "a path of", class_name);
    return NULL;
}

CMPIObjectPath *virtcim_take_path(virtcim_call *call, virtcim_cursor *cursor)
{
    const char *name_space = virtcim_take_text(cursor);
    const char *class_name = virtcim_take_text(cursor);
    uint16_t count = virtcim_take_short(cursor);
    if (cursor->at == NULL || class_name == NULL) {
        virtcim_damaged(call);
        return NULL;
    }
    CMPIObjectPath *path = virtcim_new_path(call, name_space, class_name);
    for (uint16_t i = 0; path != NULL && i < count && call->status.rc == CMPI_RC_OK; i++)
        add(call, cursor, add_key, path, 0);
    return call->status.rc == CMPI_RC_OK ? path : NULL;
}

CMPIInstance *virtcim_new_instance(virtcim_call *call, const CMPIObjectPath *path)
{
    CMPIStatus status = {CMPI_RC_OK, NULL};
    CMPIInstance *instance = call->broker->eft->newInstance(call->broker, path, &status);
    if (instance != NULL && status.rc == CMPI_RC_OK)
        return instance;
    virtcim_refuse(call, status.rc, "an instance; its class", "is not known there");
    return NULL;
}

void virtcim_take_properties(virtcim_call *call, virtcim_cursor *cursor,
                             const CMPIInstance *instance)
{
    uint16_t count = virtcim_take_short(cursor);
    if (cursor->at == NULL)
        virtcim_damaged(call);
    for (uint16_t i = 0; i < count && call->status.rc == CMPI_RC_OK; i++)
        add(call, cursor, add_property, instance, 1);
}

CMPIInstance *virtcim_take_instance(virtcim_call *call, virtcim_cursor *cursor)
{
    CMPIObjectPath *path = virtcim_take_path(call, cursor);
    if (path == NULL) {
        virtcim_damaged(call);
        return NULL;
    }
    CMPIInstance *instance = virtcim_new_instance(call, path);
    if (instance != NULL)
        virtcim_take_properties(call, cursor, instance);
    return call->status.rc == CMPI_RC_OK ? instance : NULL;
}

static int take_integer(virtcim_cursor *cursor, CMPIValue *value, CMPIType type)
{
    int64_t number;
    const void *found = virtcim_is_simple(type) ? take(cursor, sizeof number) : NULL;
    if (found == NULL)
        return -1;
    memcpy(&number, found, sizeof number);
    switch (type) {
    case CMPI_boolean: value->boolean = number != 0; break;
    case CMPI_char16: value->char16 = (uint16_t)number; break;
    case CMPI_uint8: value->uint8 = (uint8_t)number; break;
    case CMPI_uint16: value->uint16 = (uint16_t)number; break;
    case CMPI_uint32: value->uint32 = (uint32_t)number; break;
    case CMPI_sint8: value->sint8 = (int8_t)number; break;
    case CMPI_sint16: value->sint16 = (int16_t)number; break;
    case CMPI_sint32: value->sint32 = (int32_t)number; break;
    default: value->sint64 = number; /* and the bits of an uint64 */
    }
    return 0;
}

static int take_real(virtcim_cursor *cursor, CMPIValue *value, CMPIType type)
{
    double number;
    const void *found = take(cursor, sizeof number);
    if (found == NULL)
        return -1;
    memcpy(&number, found, sizeof number);
    if (type == CMPI_real32)
        value->real32 = (float)number;
    else
        value->real64 = number;
    return 0;
}

static int take_contents(virtcim_call *call, virtcim_cursor *cursor, CMPIValue *value,
                         CMPIType type)
{
    CMPIStatus status = {CMPI_RC_OK, NULL};
    const CMPIBroker *broker = call->broker;
    const char *text;
    switch (type) {
    case CMPI_real32:
    case CMPI_real64:
        return take_real(cursor, value, type);
    case CMPI_string:
        text = virtcim_take_text(cursor);
        value->string = text == NULL ? NULL : broker->eft->newString(broker, text, &status);
        break;
    case CMPI_dateTime:
        text = virtcim_take_text(cursor);
        value->dateTime = text == NULL
                              ? NULL
                              : broker->eft->newDateTimeFromChars(broker, text, &status);
        break;
    case CMPI_ref:
        value->ref = virtcim_take_path(call, cursor);
        break;
    case CMPI_instance:
        value->inst = virtcim_take_instance(call, cursor);
        break;
    default:
        return take_integer(cursor, value, type);
    }
    return value->string == NULL || status.rc != CMPI_RC_OK ? -1 : 0;
}

static CMPIArray *take_array(virtcim_call *call, virtcim_cursor *cursor, CMPIType type)
{
    uint32_t count = virtcim_take_number(cursor);
    CMPIStatus status = {CMPI_RC_OK, NULL};
    if (cursor->at == NULL || count > (size_t)(cursor->end - cursor->at))
        return NULL;
    CMPIArray *array = call->broker->eft->newArray(call->broker, count, type, &status);
    if (array == NULL || status.rc != CMPI_RC_OK)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        CMPIValue value = {0};
        if (virtcim_take_byte(cursor))
            continue;
        if (take_contents(call, cursor, &value, type) != 0)
            return NULL;
        status = array->ft->setElementAt(array, i, &value, type);
        if (status.rc != CMPI_RC_OK) {
            virtcim_refuse(call, status.rc, "an element of an array", NULL);
            return NULL;
        }
    }
    return array;
}

int virtcim_take_value(virtcim_call *call, virtcim_cursor *cursor, CMPIValue *value,
                       CMPIType *type, int *is_null)
{
    *type = virtcim_take_short(cursor);
    *is_null = (int)virtcim_take_byte(cursor);
    memset(value, 0, sizeof *value);
    if (cursor->at == NULL)
        return -1;
    if (*is_null)
        return 0;
    if (*type & CMPI_ARRAY) {
        value->array = take_array(call, cursor, (CMPIType)(*type & ~CMPI_ARRAY));
        return value->array == NULL ? -1 : 0;
    }
    return take_contents(call, cursor, value, *type);
}

CMPIArray *virtcim_take_texts(virtcim_call *call, virtcim_cursor *cursor)
{
    return take_array(call, cursor, CMPI_string);
}

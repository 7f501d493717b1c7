/* What the server hands over, as a block of bytes. */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

/* Instances within instances, and paths within paths. */
enum { MOST_DEPTH = 16 };

static void put_value(virtcim_block *, const CMPIData *, int depth);

void virtcim_put(virtcim_block *block, const void *bytes, size_t length)
{
    if (block->failed)
        return;
    if (length > block->room - block->length) {
        size_t room = block->room ? block->room : 512;
        while (room - block->length < length)
            room *= 2;
        char *grown = realloc(block->bytes, room);
        if (grown == NULL) {
            block->failed = 1;
            return;
        }
        block->bytes = grown;
        block->room = room;
    }
    memcpy(block->bytes + block->length, bytes, length);
    block->length += length;
}

static void put_byte(virtcim_block *block, uint8_t number)
{
    virtcim_put(block, &number, sizeof number);
}

static void put_short(virtcim_block *block, uint16_t number)
{
    virtcim_put(block, &number, sizeof number);
}

void virtcim_put_number(virtcim_block *block, uint32_t number)
{
    virtcim_put(block, &number, sizeof number);
}

void virtcim_put_text(virtcim_block *block, const char *text)
{
    if (text == NULL) {
        virtcim_put_number(block, ABSENT);
        return;
    }
    size_t length = strlen(text);
    if (length >= ABSENT) {
        block->failed = 1;
        return;
    }
    virtcim_put_number(block, (uint32_t)length);
    virtcim_put(block, text, length + 1);
}

static void put_string(virtcim_block *block, const CMPIString *string)
{
    const char *text = NULL;
    if (string != NULL && string->hdl != NULL)
        text = string->ft->getCharPtr(string, NULL);
    virtcim_put_text(block, text);
}

void virtcim_put_texts(virtcim_block *block, const char **texts)
{
    if (texts == NULL) {
        virtcim_put_number(block, ABSENT);
        return;
    }
    uint32_t count = 0;
    while (texts[count] != NULL)
        count++;
    virtcim_put_number(block, count);
    for (uint32_t i = 0; i < count; i++)
        virtcim_put_text(block, texts[i]);
}

static void put_path(virtcim_block *block, const CMPIObjectPath *path, int depth)
{
    if (path == NULL || depth > MOST_DEPTH) {
        virtcim_put_text(block, NULL);
        virtcim_put_text(block, NULL);
        put_short(block, 0);
        return;
    }
    put_string(block, path->ft->getNameSpace(path, NULL));
    put_string(block, path->ft->getClassName(path, NULL));
    CMPICount count = path->ft->getKeyCount(path, NULL);
    if (count > UINT16_MAX)
        block->failed = 1;
    put_short(block, (uint16_t)count);
    for (CMPICount i = 0; i < count && !block->failed; i++) {
        CMPIString *name = NULL;
        CMPIData data = path->ft->getKeyAt(path, i, &name, NULL);
        put_string(block, name);
        put_value(block, &data, depth + 1);
    }
}

static void put_instance(virtcim_block *block, const CMPIInstance *instance, int depth)
{
    CMPICount count = 0;
    if (instance == NULL || depth > MOST_DEPTH) {
        put_path(block, NULL, depth);
    } else {
        put_path(block, instance->ft->getObjectPath(instance, NULL), depth);
        count = instance->ft->getPropertyCount(instance, NULL);
    }
    if (count > UINT16_MAX)
        block->failed = 1;
    put_short(block, (uint16_t)count);
    for (CMPICount i = 0; i < count && !block->failed; i++) {
        CMPIString *name = NULL;
        CMPIData data = instance->ft->getPropertyAt(instance, i, &name, NULL);
        put_string(block, name);
        put_value(block, &data, depth + 1);
    }
}

static int is_string(CMPIType type)
{
    /* Keys and contexts have strings with a hint of what they stand for in the lower bits. */
    return (type & 0xff00) == CMPI_string;
}

static int64_t integer_of(const CMPIValue *value, CMPIType type)
{
    switch (type) {
    case CMPI_boolean: return value->boolean != 0;
    case CMPI_char16: return value->char16;
    case CMPI_uint8: return value->uint8;
    case CMPI_uint16: return value->uint16;
    case CMPI_uint32: return value->uint32;
    case CMPI_sint8: return value->sint8;
    case CMPI_sint16: return value->sint16;
    case CMPI_sint32: return value->sint32;
    default: return value->sint64; /* and the bits of an uint64 */
    }
}

int virtcim_is_simple(CMPIType type)
{
    return type == CMPI_boolean || type == CMPI_char16 ||
           (type >= CMPI_uint8 && type <= CMPI_sint64 && (type & 0x0f) == 0);
}

static int is_missing(const CMPIValue *value, CMPIType type)
{
    if (is_string(type)) {
        const CMPIString *string = value->string;
        return string == NULL || string->hdl == NULL || string->ft->getCharPtr(string, NULL) == NULL;
    }
    return (type & 0xff00) != 0 && value->string == NULL;
}

static void put_contents(virtcim_block *block, const CMPIValue *value, CMPIType type, int depth)
{
    if (virtcim_is_simple(type)) {
        int64_t number = integer_of(value, type);
        virtcim_put(block, &number, sizeof number);
    } else if (type == CMPI_real32 || type == CMPI_real64) {
        double number = type == CMPI_real32 ? value->real32 : value->real64;
        virtcim_put(block, &number, sizeof number);
    } else if (type == CMPI_chars) {
        virtcim_put_text(block, value->chars);
    } else if (type == CMPI_dateTime) {
        put_string(block, value->dateTime->ft->getStringFormat(value->dateTime, NULL));
    } else if (type == CMPI_ref) {
        put_path(block, value->ref, depth);
    } else if (type == CMPI_instance) {
        put_instance(block, value->inst, depth);
    } else {
        put_string(block, value->string);
    }
}

static int is_known(CMPIType type)
{
    return virtcim_is_simple(type) || type == CMPI_real32 || type == CMPI_real64 || type == CMPI_chars ||
           type == CMPI_dateTime || type == CMPI_ref || type == CMPI_instance || is_string(type);
}

static void put_array(virtcim_block *block, const CMPIArray *array, int depth)
{
    CMPICount count = array->ft->getSize(array, NULL);
    virtcim_put_number(block, count);
    CMPIType type = (CMPIType)(array->ft->getSimpleType(array, NULL) & ~CMPI_ARRAY);
    for (CMPICount i = 0; i < count && !block->failed; i++) {
        CMPIData data = array->ft->getElementAt(array, i, NULL);
        int is_null = (data.state & (CMPI_nullValue | CMPI_notFound | CMPI_badValue)) != 0 ||
                      is_missing(&data.value, type);
        put_byte(block, is_null);
        if (!is_null)
            put_contents(block, &data.value, type, depth);
    }
}

static void put_value(virtcim_block *block, const CMPIData *data, int depth)
{
    CMPIType type = (CMPIType)(data->type & ~CMPI_ARRAY);
    int is_array = (data->type & CMPI_ARRAY) != 0;
    if (is_array && data->value.array != NULL && !(data->state & ~CMPI_keyValue))
        type = (CMPIType)(data->value.array->ft->getSimpleType(data->value.array, NULL) &
                          ~CMPI_ARRAY);
    CMPIType told = is_string(type) || type == CMPI_chars ? CMPI_string : type;
    put_short(block, is_array ? told | CMPI_ARRAY : told);
    int is_null = (data->state & (CMPI_nullValue | CMPI_notFound | CMPI_badValue)) != 0 ||
                  !is_known(type) ||
                  (is_array ? data->value.array == NULL : is_missing(&data->value, type));
    if (!is_null && depth > MOST_DEPTH)
        block->failed = block->too_deep = 1;
    put_byte(block, is_null);
    if (is_null)
        return;
    if (is_array)
        put_array(block, data->value.array, depth);
    else
        put_contents(block, &data->value, type, depth);
}

void virtcim_put_path(virtcim_block *block, const CMPIObjectPath *path)
{
    put_path(block, path, 0);
}

void virtcim_put_instance(virtcim_block *block, const CMPIInstance *instance)
{
    put_instance(block, instance, 0);
}

void virtcim_put_arguments(virtcim_block *block, const CMPIArgs *arguments)
{
    CMPICount count = arguments == NULL ? 0 : arguments->ft->getArgCount(arguments, NULL);
    if (count > UINT16_MAX)
        block->failed = 1;
    put_short(block, (uint16_t)count);
    for (CMPICount i = 0; i < count && !block->failed; i++) {
        CMPIString *name = NULL;
        CMPIData data = arguments->ft->getArgAt(arguments, i, &name, NULL);
        put_string(block, name);
        put_value(block, &data, 0);
    }
}

void virtcim_put_context(virtcim_block *block, const CMPIContext *context)
{
    static const char *const names[] = {"CMPIPrincipal", "CMPIAcceptLanguage"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CMPIData data = {0, CMPI_nullValue, {0}};
        if (context != NULL && context->ft->getEntry != NULL)
            data = context->ft->getEntry(context, names[i], NULL);
        if (data.state & (CMPI_nullValue | CMPI_notFound | CMPI_badValue))
            virtcim_put_text(block, NULL);
        else if (data.type == CMPI_chars)
            virtcim_put_text(block, data.value.chars);
        else
            put_string(block, is_string(data.type) ? data.value.string : NULL);
    }
}

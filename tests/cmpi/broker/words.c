#include "words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    CMPIType type;
} types[] = {
    {"boolean", CMPI_boolean}, {"char16", CMPI_char16},   {"real32", CMPI_real32},
    {"real64", CMPI_real64},   {"uint8", CMPI_uint8},     {"uint16", CMPI_uint16},
    {"uint32", CMPI_uint32},   {"uint64", CMPI_uint64},   {"sint8", CMPI_sint8},
    {"sint16", CMPI_sint16},   {"sint32", CMPI_sint32},   {"sint64", CMPI_sint64},
    {"instance", CMPI_instance}, {"reference", CMPI_ref}, {"string", CMPI_string},
    {"chars", CMPI_chars},     {"datetime", CMPI_dateTime}, {"null", CMPI_null},
};

static const char *name_of(CMPIType type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].name;
    unexpected("a type that is none");
}

static CMPIType type_of(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    unexpected(name);
}

void put_text(output *to, const char *text)
{
    if (text == NULL) {
        put_line_part(to, "-");
        return;
    }
    if (*text == '\0')
        put_line_part(to, "%%");
    for (; *text != '\0'; text++) {
        unsigned char one = (unsigned char)*text;
        if (one <= ' ' || one == '%' || one == '-' || one > '~')
            put_line_part(to, "%%%02x", one);
        else
            put_line_part(to, "%c", one);
    }
}

void put_entries(output *to, const entries *all)
{
    put_line_part(to, "%u", all->count);
    for (CMPICount i = 0; i < all->count; i++) {
        put_line_part(to, " ");
        put_text(to, all->all[i].name);
        put_line_part(to, " ");
        put_data(to, &all->all[i].data);
    }
}

void put_path(output *to, const path *one)
{
    put_text(to, one->name_space);
    put_line_part(to, " ");
    put_text(to, one->class_name);
    put_line_part(to, " ");
    put_entries(to, &one->keys);
}

void put_instance(output *to, const instance *one)
{
    put_path(to, one->of);
    put_line_part(to, " ");
    put_entries(to, &one->properties);
}

void put_data(output *to, const CMPIData *data)
{
    CMPIType type = data->type & (CMPIType)~CMPI_ARRAY;
    const CMPIValue *value = &data->value;
    if (data->type & CMPI_ARRAY) {
        put_line_part(to, "array %s ", name_of(type));
        if (data->state & CMPI_nullValue) {
            put_line_part(to, "-");
            return;
        }
        const array *all = value->array->hdl;
        if (all->type != type)
            unexpected("an array of another type than is told");
        put_line_part(to, "%u", all->count);
        for (CMPICount i = 0; i < all->count; i++) {
            put_line_part(to, " ");
            put_data(to, &all->items[i]);
        }
        return;
    }
    if (data->state & CMPI_nullValue) {
        put_line_part(to, "null %s", name_of(type));
        return;
    }
    put_line_part(to, "%s ", name_of(type));
    switch (type) {
    case CMPI_boolean: put_line_part(to, "%d", value->boolean); break;
    case CMPI_char16: put_line_part(to, "%u", value->char16); break;
    case CMPI_real32: put_line_part(to, "%.9g", (double)value->real32); break;
    case CMPI_real64: put_line_part(to, "%.17g", value->real64); break;
    case CMPI_uint8: put_line_part(to, "%u", value->uint8); break;
    case CMPI_uint16: put_line_part(to, "%u", value->uint16); break;
    case CMPI_uint32: put_line_part(to, "%u", value->uint32); break;
    case CMPI_uint64: put_line_part(to, "%" PRIu64, value->uint64); break;
    case CMPI_sint8: put_line_part(to, "%d", value->sint8); break;
    case CMPI_sint16: put_line_part(to, "%d", value->sint16); break;
    case CMPI_sint32: put_line_part(to, "%d", value->sint32); break;
    case CMPI_sint64: put_line_part(to, "%" PRId64, value->sint64); break;
    case CMPI_string: put_text(to, text_of(value->string)); break;
    case CMPI_dateTime: put_text(to, datetime_text(value->dateTime)); break;
    case CMPI_ref: put_path(to, value->ref->hdl); break;
    case CMPI_instance: put_instance(to, value->inst->hdl); break;
    default: unexpected("a type that no value has");
    }
}

const char *next_word(words *line)
{
    char *found = line->rest;
    while (*found == ' ')
        found++;
    char *end = found;
    while (*end != '\0' && *end != ' ')
        end++;
    line->rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    if (*found == '\0')
        unexpected("the end of a command");
    return found;
}

int next_number(words *line)
{
    return atoi(next_word(line));
}

char *next_text(words *line)
{
    char *found = (char *)next_word(line), *to = found;
    if (strcmp(found, "-") == 0)
        return NULL;
    if (strcmp(found, "%") == 0)
        *found = '\0';
    for (char *from = found; *from != '\0'; from++) {
        if (*from == '%') {
            char digits[3] = {from[1], from[2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return found;
}

path *next_path(words *line)
{
    const char *name_space = next_text(line);
    const char *class_name = next_text(line);
    path *made = new_path(name_space, class_name);
    next_entries(line, &made->keys);
    return made;
}

instance *next_instance(words *line)
{
    instance *made = new_instance(next_path(line));
    next_entries(line, &made->properties);
    return made;
}

static CMPIData next_data(words *line)
{
    CMPIData data = {CMPI_null, CMPI_goodValue, {0}};
    const char *name = next_word(line);
    if (strcmp(name, "null") == 0) {
        data.type = type_of(next_word(line));
        data.state = CMPI_nullValue;
        return data;
    }
    if (strcmp(name, "array") == 0) {
        CMPIType type = type_of(next_word(line));
        data.type = type | CMPI_ARRAY;
        const char *count = next_word(line);
        if (strcmp(count, "-") == 0) {
            data.state = CMPI_nullValue;
            return data;
        }
        array *made = new_array(type, (CMPICount)atoi(count));
        for (CMPICount i = 0; i < made->count; i++)
            made->items[i] = next_data(line);
        data.value.array = &made->as_seen;
        return data;
    }
    data.type = type_of(name);
    CMPIValue *value = &data.value;
    switch (data.type) {
    case CMPI_boolean: value->boolean = (CMPIBoolean)next_number(line); break;
    case CMPI_char16: value->char16 = (uint16_t)next_number(line); break;
    case CMPI_real32: value->real32 = strtof(next_word(line), NULL); break;
    case CMPI_real64: value->real64 = strtod(next_word(line), NULL); break;
    case CMPI_uint8: value->uint8 = (uint8_t)next_number(line); break;
    case CMPI_uint16: value->uint16 = (uint16_t)next_number(line); break;
    case CMPI_uint32: value->uint32 = (uint32_t)strtoul(next_word(line), NULL, 10); break;
    case CMPI_uint64: value->uint64 = strtoull(next_word(line), NULL, 10); break;
    case CMPI_sint8: value->sint8 = (int8_t)next_number(line); break;
    case CMPI_sint16: value->sint16 = (int16_t)next_number(line); break;
    case CMPI_sint32: value->sint32 = next_number(line); break;
    case CMPI_sint64: value->sint64 = strtoll(next_word(line), NULL, 10); break;
    case CMPI_string: value->string = new_string(next_text(line)); break;
    case CMPI_chars: value->chars = pool_text(pool_here(), next_text(line)); break;
    case CMPI_dateTime: value->dateTime = new_datetime(next_text(line)); break;
    case CMPI_ref: value->ref = &next_path(line)->as_seen; break;
    case CMPI_instance: value->inst = &next_instance(line)->as_seen; break;
    default: unexpected(name);
    }
    return data;
}

void next_entries(words *line, entries *to)
{
    int count = next_number(line);
    for (int i = 0; i < count; i++) {
        const char *name = next_text(line);
        CMPIData data = next_data(line);
        add_entry(to, name, &data.value, CMPI_sint64);
        to->all[to->count - 1].data = data;
    }
}

const char **next_texts(words *line)
{
    const char *count = next_word(line);
    if (strcmp(count, "-") == 0)
        return NULL;
    int many = atoi(count);
    const char **all = pool_get(pool_here(), ((size_t)many + 1) * sizeof *all);
    for (int i = 0; i < many; i++)
        all[i] = next_text(line);
    return all;
}

/* Names and associations that are alike: what many have in common is told once for all of them.
 *
 *   uint16 number of endings, then each: text namespace, text class, uint16 number of parts,
 *     uint16 number of keys, then each: text name, uint16 number of pieces, then each:
 *     uint8 1 for a part, uint16 which, or uint8 0 for a text that all have, text
 *   uint16 number of kinds, then each: text namespace, text class, twice: text role, uint16 ending,
 *     uint8 1 where it is a property that is wanted; uint16 number of further properties, then text
 *     name and value of each
 *   text, of lines that end with a zero: for a name the number of its ending and its parts, for an
 *     association the number of its kind, the parts of its first end and those of its second
 */
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

enum { MOST_PARTS = 16 };

/* The names of the instances of one class, as values of references. */
typedef struct ending {
    const char *name_space;
    const char *class_name;
    unsigned parts;
    unsigned count;
    virtcim_cursor keys;
    /* The last one: the associations of one instance mostly follow each other. */
    const CMPIObjectPath *last;
    const char *last_parts;
    size_t last_length;
} ending;

typedef struct end {
    const char *role;
    ending *ending;
    int is_wanted;
} end;

typedef struct kind {
    const char *name_space;
    const char *class_name;
    end ends[2];
    virtcim_cursor further;
} kind;

typedef struct alike {
    ending *endings;
    unsigned ending_count;
    kind *kinds;
    unsigned kind_count;
    virtcim_cursor lines;
    virtcim_block text; /* a key that is put together */
} alike;

static const char *take_line(virtcim_cursor *lines)
{
    const char *line = lines->at;
    const char *end = line == NULL ? NULL : memchr(line, '\0', (size_t)(lines->end - line));
    lines->at = end == NULL ? NULL : end + 1;
    return end == NULL ? NULL : line;
}

/* Of a table with that many rows; a number beyond it damages the block. */
static unsigned take_row(virtcim_cursor *cursor, unsigned count)
{
    unsigned row = virtcim_take_short(cursor);
    if (row >= count)
        cursor->at = NULL;
    return row < count ? row : 0;
}

static void skip_keys(virtcim_cursor *cursor, const ending *self)
{
    for (unsigned i = 0; i < self->count && cursor->at != NULL; i++) {
        virtcim_take_text(cursor);
        for (unsigned pieces = virtcim_take_short(cursor); pieces > 0; pieces--) {
            if (virtcim_take_byte(cursor))
                take_row(cursor, self->parts);
            else
                virtcim_take_text(cursor);
        }
    }
}

static void take_endings(alike *self, virtcim_cursor *cursor)
{
    self->ending_count = virtcim_take_short(cursor);
    self->endings = calloc(self->ending_count + 1, sizeof *self->endings);
    if (self->endings == NULL)
        cursor->at = NULL;
    for (unsigned i = 0; i < self->ending_count && cursor->at != NULL; i++) {
        ending *one = &self->endings[i];
        one->name_space = virtcim_take_text(cursor);
        one->class_name = virtcim_take_text(cursor);
        one->parts = virtcim_take_short(cursor);
        one->count = virtcim_take_short(cursor);
        one->keys = *cursor;
        skip_keys(cursor, one);
        if (one->class_name == NULL || one->parts > MOST_PARTS)
            cursor->at = NULL;
    }
}

static void take_kinds(alike *self, virtcim_cursor *cursor)
{
    self->kind_count = virtcim_take_short(cursor);
    self->kinds = calloc(self->kind_count + 1, sizeof *self->kinds);
    if (self->kinds == NULL)
        cursor->at = NULL;
    for (unsigned i = 0; i < self->kind_count && cursor->at != NULL; i++) {
        kind *one = &self->kinds[i];
        one->name_space = virtcim_take_text(cursor);
        one->class_name = virtcim_take_text(cursor);
        for (int j = 0; j < 2; j++) {
            one->ends[j].role = virtcim_take_text(cursor);
            one->ends[j].ending = &self->endings[take_row(cursor, self->ending_count)];
            one->ends[j].is_wanted = virtcim_take_byte(cursor) != 0;
        }
        one->further.at = virtcim_take_text_of(cursor, &one->further.end);
        if (one->class_name == NULL || one->ends[0].role == NULL || one->ends[1].role == NULL ||
            one->further.at == NULL)
            cursor->at = NULL;
    }
}

/* The value of a key, of its pieces. */
static const char *put_together(alike *self, virtcim_cursor *keys, const char *const *parts)
{
    unsigned pieces = virtcim_take_short(keys);
    const char *piece = "";
    self->text.length = 0;
    for (unsigned i = 0; i < pieces; i++) {
        piece = virtcim_take_byte(keys) ? parts[virtcim_take_short(keys)] : virtcim_take_text(keys);
        if (pieces == 1)
            return piece;
        if (piece != NULL)
            virtcim_put(&self->text, piece, strlen(piece));
    }
    virtcim_put(&self->text, "", 1);
    return self->text.failed ? NULL : self->text.bytes;
}

/* The name whose parts come next; it must not be changed. */
static const CMPIObjectPath *take_name(virtcim_call *call, alike *self, ending *of)
{
    const char *parts[MOST_PARTS];
    const char *begin = self->lines.at;
    for (unsigned i = 0; i < of->parts; i++)
        parts[i] = take_line(&self->lines);
    if (self->lines.at == NULL) {
        virtcim_damaged(call);
        return NULL;
    }
    size_t length = (size_t)(self->lines.at - begin);
    if (of->last != NULL && of->last_length == length && memcmp(of->last_parts, begin, length) == 0)
        return of->last;
    const CMPIObjectPath *path = virtcim_new_path(call, of->name_space, of->class_name);
    virtcim_cursor keys = of->keys;
    for (unsigned i = 0; i < of->count && call->status.rc == CMPI_RC_OK; i++) {
        const char *name = virtcim_take_text(&keys);
        const char *value = put_together(self, &keys, parts);
        if (name == NULL || value == NULL)
            virtcim_damaged(call);
        else
            virtcim_added(call,
                          path->ft->addKey(path, name, (const CMPIValue *)(const void *)value,
                                           CMPI_chars),
                          name, 0);
    }
    if (call->status.rc != CMPI_RC_OK)
        return NULL;
    of->last = path;
    of->last_parts = begin;
    of->last_length = length;
    return path;
}

static const CMPIObjectPath *association_path(virtcim_call *call, const kind *of,
                                              CMPIValue values[2])
{
    const CMPIObjectPath *path = virtcim_new_path(call, of->name_space, of->class_name);
    for (int i = 0; i < 2 && call->status.rc == CMPI_RC_OK; i++)
        virtcim_added(call, path->ft->addKey(path, of->ends[i].role, &values[i], CMPI_ref),
                      of->ends[i].role, 0);
    return call->status.rc == CMPI_RC_OK ? path : NULL;
}

static void give_association(virtcim_call *call, alike *self, const kind *of, int names_only)
{
    CMPIValue values[2];
    for (int i = 0; i < 2; i++) {
        const CMPIObjectPath *name = take_name(call, self, of->ends[i].ending);
        if (name == NULL)
            return;
        values[i].ref = (CMPIObjectPath *)name;
    }
    const CMPIObjectPath *path = association_path(call, of, values);
    if (path == NULL)
        return;
    CMPIStatus status = {CMPI_RC_OK, NULL};
    if (names_only) {
        status = call->result->ft->returnObjectPath(call->result, path);
    } else {
        CMPIInstance *instance = virtcim_new_instance(call, path);
        if (instance == NULL)
            return;
        for (int i = 0; i < 2; i++)
            if (of->ends[i].is_wanted)
                virtcim_added(call,
                              instance->ft->setProperty(instance, of->ends[i].role, &values[i],
                                                        CMPI_ref),
                              of->ends[i].role, 1);
        virtcim_cursor further = of->further;
        virtcim_take_properties(call, &further, instance);
        if (call->status.rc == CMPI_RC_OK)
            status = call->result->ft->returnInstance(call->result, instance);
    }
    if (status.rc != CMPI_RC_OK)
        virtcim_refuse(call, status.rc, "an answer", NULL);
}

static void give_name(virtcim_call *call, alike *self, ending *of)
{
    const CMPIObjectPath *path = take_name(call, self, of);
    if (path == NULL)
        return;
    CMPIStatus status = call->result->ft->returnObjectPath(call->result, path);
    if (status.rc != CMPI_RC_OK)
        virtcim_refuse(call, status.rc, "an answer", NULL);
}

void virtcim_give_alike(virtcim_call *call, virtcim_cursor *cursor, int what)
{
    alike self = {0};
    take_endings(&self, cursor);
    take_kinds(&self, cursor);
    self.lines.at = virtcim_take_text_of(cursor, &self.lines.end);
    while (cursor->at != NULL && self.lines.at != NULL && self.lines.at < self.lines.end &&
           call->status.rc == CMPI_RC_OK) {
        unsigned long row = strtoul(take_line(&self.lines), NULL, 10);
        if (row >= (what == 'n' ? self.ending_count : self.kind_count))
            virtcim_damaged(call);
        else if (what == 'n')
            give_name(call, &self, &self.endings[row]);
        else
            give_association(call, &self, &self.kinds[row], what == 'b');
    }
    if (cursor->at == NULL)
        virtcim_damaged(call);
    free(self.endings);
    free(self.kinds);
    free(self.text.bytes);
}

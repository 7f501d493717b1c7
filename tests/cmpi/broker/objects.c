#include "objects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct pool {
    void **all;
    size_t count;
    size_t room;
};

static _Thread_local pool *here;

void unexpected(const char *what)
{
    fprintf(stderr, "broker: unexpected: %s\n", what);
    fflush(NULL);
    abort();
}

void surprise(void)
{
    unexpected("a function that no provider needs was called");
}

pool *pool_new(void)
{
    return calloc(1, sizeof(pool));
}

void pool_free(pool *one)
{
    for (size_t i = 0; i < one->count; i++)
        free(one->all[i]);
    free(one->all);
    free(one);
}

void *pool_get(pool *one, size_t size)
{
    if (one->count == one->room) {
        one->room = one->room ? 2 * one->room : 64;
        one->all = realloc(one->all, one->room * sizeof *one->all);
    }
    return one->all[one->count++] = calloc(1, size);
}

char *pool_text(pool *one, const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = pool_get(one, strlen(text) + 1);
    return strcpy(copy, text);
}

pool *pool_here(void)
{
    if (here == NULL)
        unexpected("the server was called in a thread that it does not know");
    return here;
}

void pool_enter(pool *one)
{
    here = one;
}

static CMPIStatus status(CMPIrc rc)
{
    return (CMPIStatus){rc, NULL};
}

static void tell(CMPIStatus *where, CMPIrc rc)
{
    if (where != NULL)
        *where = status(rc);
}

static void check_name(const char *name)
{
    if (name == NULL || *name == '\0')
        unexpected("something without a name");
}

CMPIStatus add_entry(entries *to, const char *name, const CMPIValue *value, CMPIType type)
{
    check_name(name);
    entry *found = NULL;
    for (CMPICount i = 0; i < to->count; i++)
        if (strcasecmp(to->all[i].name, name) == 0)
            found = &to->all[i];
    if (found == NULL) {
        if (to->count == to->room) {
            entry *grown = pool_get(pool_here(), (to->room ? 2 * to->room : 16) * sizeof *grown);
            if (to->count)
                memcpy(grown, to->all, to->count * sizeof *grown);
            to->all = grown;
            to->room = to->room ? 2 * to->room : 16;
        }
        found = &to->all[to->count++];
        found->name = pool_text(pool_here(), name);
    }
    found->data = (CMPIData){type, value == NULL ? CMPI_nullValue : CMPI_goodValue, {0}};
    if (type == CMPI_chars) {
        found->data.type = CMPI_string;
        if (value != NULL)
            found->data.value.string = new_string((const char *)(const void *)value);
    } else if (value != NULL) {
        found->data.value = *value;
        if (type & 0xff00 && value->string == NULL)
            found->data.state = CMPI_nullValue;
    }
    return status(CMPI_RC_OK);
}

static CMPIData get_entry_at(const entries *of, CMPICount index, CMPIString **name, CMPIStatus *rc)
{
    if (index >= of->count)
        unexpected("an index beyond the last");
    if (name != NULL)
        *name = new_string(of->all[index].name);
    tell(rc, CMPI_RC_OK);
    return of->all[index].data;
}

/* Strings and datetimes. */

static const char *get_char_ptr(const CMPIString *string, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return string->hdl;
}

static CMPIStringFT string_ft = {0, surprise, surprise, get_char_ptr};

CMPIString *new_string(const char *text)
{
    CMPIString *made = pool_get(pool_here(), sizeof *made);
    made->hdl = pool_text(pool_here(), text);
    string_ft.ftVersion = played->version;
    made->ft = &string_ft;
    return made;
}

const char *text_of(const CMPIString *string)
{
    return string == NULL ? NULL : string->hdl;
}

static CMPIString *get_string_format(const CMPIDateTime *when, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return new_string(when->hdl);
}

static CMPIDateTimeFT datetime_ft = {0, surprise, surprise, surprise, get_string_format, surprise};

CMPIDateTime *new_datetime(const char *text)
{
    if (strlen(text) != 25)
        unexpected("a datetime that is none");
    CMPIDateTime *made = pool_get(pool_here(), sizeof *made);
    made->hdl = pool_text(pool_here(), text);
    datetime_ft.ftVersion = played->version;
    made->ft = &datetime_ft;
    return made;
}

const char *datetime_text(const CMPIDateTime *when)
{
    return when->hdl;
}

/* Paths. */

static path *path_of(const CMPIObjectPath *seen)
{
    return (path *)seen->hdl;
}

static CMPIString *get_name_space(const CMPIObjectPath *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return new_string(path_of(seen)->name_space);
}

static CMPIString *get_class_name(const CMPIObjectPath *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return new_string(path_of(seen)->class_name);
}

static CMPIStatus add_key(const CMPIObjectPath *seen, const char *name, const CMPIValue *value,
                          CMPIType type)
{
    return add_entry(&path_of(seen)->keys, name, value, type);
}

static CMPIData get_key_at(const CMPIObjectPath *seen, CMPICount index, CMPIString **name,
                           CMPIStatus *rc)
{
    return get_entry_at(&path_of(seen)->keys, index, name, rc);
}

static CMPICount get_key_count(const CMPIObjectPath *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return path_of(seen)->keys.count;
}

static CMPIObjectPathFT path_ft = {
    0, surprise, surprise, surprise, get_name_space, surprise, surprise, surprise, get_class_name,
    add_key, surprise, get_key_at, get_key_count, surprise, surprise, surprise, surprise,
    surprise, surprise, surprise};

path *new_path(const char *name_space, const char *class_name)
{
    path *made = pool_get(pool_here(), sizeof *made);
    made->name_space = pool_text(pool_here(), name_space);
    made->class_name = pool_text(pool_here(), class_name);
    path_ft.ftVersion = played->version;
    made->as_seen = (CMPIObjectPath){made, &path_ft};
    return made;
}

/* Instances. */

char refused[128];
CMPIrc refused_with;
static int refusals;
static pthread_mutex_t refusing = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t was_refused = PTHREAD_COND_INITIALIZER;

static CMPIStatus refuse(void)
{
    pthread_mutex_lock(&refusing);
    refusals++;
    pthread_cond_broadcast(&was_refused);
    pthread_mutex_unlock(&refusing);
    return status(refused_with);
}

void await_refusals(int many)
{
    pthread_mutex_lock(&refusing);
    while (refusals < many)
        pthread_cond_wait(&was_refused, &refusing);
    pthread_mutex_unlock(&refusing);
}

static instance *instance_of(const CMPIInstance *seen)
{
    return (instance *)seen->hdl;
}

static CMPIData get_property_at(const CMPIInstance *seen, CMPICount index, CMPIString **name,
                                CMPIStatus *rc)
{
    return get_entry_at(&instance_of(seen)->properties, index, name, rc);
}

static CMPICount get_property_count(const CMPIInstance *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return instance_of(seen)->properties.count;
}

static CMPIStatus set_property(const CMPIInstance *seen, const char *name, const CMPIValue *value,
                               CMPIType type)
{
    check_name(name);
    if (strcmp(name, refused) == 0)
        return refuse();
    if (!played->embeds && (type & ~CMPI_ARRAY) == CMPI_instance)
        return status(CMPI_RC_ERR_TYPE_MISMATCH);
    return add_entry(&instance_of(seen)->properties, name, value, type);
}

static CMPIObjectPath *get_object_path(const CMPIInstance *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return &instance_of(seen)->of->as_seen;
}

static CMPIInstanceFT instance_ft = {
    0, surprise, surprise, surprise, get_property_at, get_property_count, set_property,
    get_object_path, surprise, surprise, surprise};

instance *new_instance(path *of)
{
    instance *made = pool_get(pool_here(), sizeof *made);
    made->of = of;
    instance_ft.ftVersion = played->version;
    made->as_seen = (CMPIInstance){made, &instance_ft};
    return made;
}

/* Arguments. */

static CMPIStatus add_arg(const CMPIArgs *seen, const char *name, const CMPIValue *value,
                          CMPIType type)
{
    return add_entry(&((args *)seen->hdl)->all, name, value, type);
}

static CMPIData get_arg_at(const CMPIArgs *seen, CMPICount index, CMPIString **name,
                           CMPIStatus *rc)
{
    return get_entry_at(&((args *)seen->hdl)->all, index, name, rc);
}

static CMPICount get_arg_count(const CMPIArgs *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return ((args *)seen->hdl)->all.count;
}

static CMPIArgsFT args_ft = {0, surprise, surprise, add_arg, surprise, get_arg_at, get_arg_count};

args *new_args(void)
{
    args *made = pool_get(pool_here(), sizeof *made);
    args_ft.ftVersion = played->version;
    made->as_seen = (CMPIArgs){made, &args_ft};
    return made;
}

/* Arrays. */

static CMPICount get_size(const CMPIArray *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return ((array *)seen->hdl)->count;
}

static CMPIType get_simple_type(const CMPIArray *seen, CMPIStatus *rc)
{
    tell(rc, CMPI_RC_OK);
    return ((array *)seen->hdl)->type;
}

static CMPIData get_element_at(const CMPIArray *seen, CMPICount index, CMPIStatus *rc)
{
    array *of = seen->hdl;
    if (index >= of->count)
        unexpected("an element beyond the last");
    tell(rc, CMPI_RC_OK);
    return of->items[index];
}

static CMPIStatus set_element_at(CMPIArray *seen, CMPICount index, const CMPIValue *value,
                                 CMPIType type)
{
    array *of = seen->hdl;
    if (index >= of->count || value == NULL)
        unexpected("an element beyond the last, or none");
    if (type != of->type)
        return status(CMPI_RC_ERR_TYPE_MISMATCH);
    of->items[index] = (CMPIData){type, CMPI_goodValue, *value};
    return status(CMPI_RC_OK);
}

static CMPIArrayFT array_ft = {0,        surprise,        surprise,       get_size,
                               get_simple_type, get_element_at, set_element_at};

array *new_array(CMPIType type, CMPICount count)
{
    array *made = pool_get(pool_here(), sizeof *made);
    made->type = type;
    made->count = count;
    made->items = pool_get(pool_here(), (count + 1) * sizeof *made->items);
    for (CMPICount i = 0; i < count; i++)
        made->items[i] = (CMPIData){type, CMPI_nullValue, {0}};
    array_ft.ftVersion = played->version;
    made->as_seen = (CMPIArray){made, &array_ft};
    return made;
}

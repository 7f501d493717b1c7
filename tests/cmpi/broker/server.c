#include "server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "words.h"

static const flavour flavours[] = {
    {"Pegasus", 0x81ff, 200, 1},
    {"sfcb", 0x1bf, 1, 0},
    /* No server there is: one says what it cannot do, the other can do what it does not say. */
    {"promising", 0x81ff, 1, 0},
    {"modest", 0x1ff, 200, 1},
};
const flavour *played = &flavours[0];

void put_line_part(output *to, const char *form, ...)
{
    va_list values;
    for (;;) {
        size_t left = to->room - to->length;
        va_start(values, form);
        int length = vsnprintf(to->text + to->length, left, form, values);
        va_end(values);
        if (length < 0)
            abort();
        if ((size_t)length < left) {
            to->length += (size_t)length;
            return;
        }
        to->room = 2 * to->room + (size_t)length + 256;
        to->text = realloc(to->text, to->room);
    }
}

static CMPIStatus ok(void)
{
    return (CMPIStatus){CMPI_RC_OK, NULL};
}

static void tell_ok(CMPIStatus *where)
{
    if (where != NULL)
        *where = ok();
}

/* Contexts: that of a request, one that is prepared for a thread, or one that a thread has. */

enum kind { OF_REQUEST, PREPARED, ATTACHED };

typedef struct context {
    CMPIContext as_seen;
    enum kind kind;
    char *principal;
    char *languages;
    pool *own;
} context;

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static int in_use;

int contexts_in_use(void)
{
    return in_use;
}

static void count(int change)
{
    pthread_mutex_lock(&counting);
    in_use += change;
    pthread_mutex_unlock(&counting);
}

static void free_context(context *one)
{
    free(one->principal);
    free(one->languages);
    free(one);
    count(-1);
}

static CMPIStatus release_context(CMPIContext *seen)
{
    context *one = seen->hdl;
    if (one->kind != PREPARED)
        unexpected("a context was released that is in use");
    free_context(one);
    return ok();
}

static CMPIData get_entry(const CMPIContext *seen, const char *name, CMPIStatus *rc)
{
    context *one = seen->hdl;
    const char *found = strcmp(name, "CMPIPrincipal") == 0        ? one->principal
                        : strcmp(name, "CMPIAcceptLanguage") == 0 ? one->languages
                                                                  : NULL;
    CMPIData data = {CMPI_null, CMPI_nullValue | CMPI_notFound, {0}};
    tell_ok(rc);
    if (found == NULL)
        return data;
    /* sfcb keeps them as they are, Pegasus as strings. */
    if (played->version < 200)
        data = (CMPIData){CMPI_chars, CMPI_goodValue, {.chars = (char *)found}};
    else
        data = (CMPIData){CMPI_string, CMPI_goodValue, {.string = new_string(found)}};
    return data;
}

static CMPIContextFT context_ft = {0, release_context, surprise, get_entry, surprise, surprise,
                                   surprise};

static context *make_context(enum kind kind, const char *principal, const char *languages)
{
    context *made = calloc(1, sizeof *made);
    made->kind = kind;
    made->principal = principal == NULL ? NULL : strdup(principal);
    made->languages = languages == NULL ? NULL : strdup(languages);
    context_ft.ftVersion = played->version;
    made->as_seen = (CMPIContext){made, &context_ft};
    count(1);
    return made;
}

CMPIContext *new_context(const char *principal, const char *languages)
{
    return &make_context(OF_REQUEST, principal, languages)->as_seen;
}

void free_request_context(CMPIContext *seen)
{
    free_context(seen->hdl);
}

static CMPIContext *prepare_attach_thread(const CMPIBroker *mb, const CMPIContext *seen)
{
    (void)mb;
    pool_here();
    context *from = seen->hdl;
    return &make_context(PREPARED, from->principal, from->languages)->as_seen;
}

static CMPIStatus attach_thread(const CMPIBroker *mb, const CMPIContext *seen)
{
    (void)mb;
    context *one = seen->hdl;
    if (one->kind != PREPARED)
        unexpected("a thread was attached with a context that was not prepared");
    one->kind = ATTACHED;
    one->own = pool_new();
    pool_enter(one->own);
    return ok();
}

static CMPIStatus detach_thread(const CMPIBroker *mb, const CMPIContext *seen)
{
    (void)mb;
    context *one = seen->hdl;
    if (one->kind != ATTACHED || one->own != pool_here())
        unexpected("a thread was detached with another context");
    pool_enter(NULL);
    pool_free(one->own);
    free_context(one);
    return ok();
}

/* Indications. */

static pthread_mutex_t delivering = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t was_delivered = PTHREAD_COND_INITIALIZER;
static output indications;
static int how_many;

static CMPIStatus deliver_indication(const CMPIBroker *mb, const CMPIContext *seen,
                                     const char *name_space, const CMPIInstance *one)
{
    (void)mb;
    if (((context *)seen->hdl)->kind != ATTACHED)
        unexpected("an indication was delivered without a thread of its own");
    pthread_mutex_lock(&delivering);
    put_line_part(&indications, "indication ");
    put_text(&indications, name_space);
    put_line_part(&indications, " ");
    put_instance(&indications, one->hdl);
    put_line_part(&indications, "\n");
    how_many++;
    pthread_cond_broadcast(&was_delivered);
    pthread_mutex_unlock(&delivering);
    return ok();
}

void delivered(output *to, int at_least)
{
    pthread_mutex_lock(&delivering);
    while (how_many < at_least)
        pthread_cond_wait(&was_delivered, &delivering);
    if (how_many)
        put_line_part(to, "%s", indications.text);
    indications.length = 0;
    how_many = 0;
    pthread_mutex_unlock(&delivering);
}

/* Results. */

int only_counts;

static result *result_of(const CMPIResult *seen)
{
    result *one = seen->hdl;
    if (one->is_done)
        unexpected("something was returned after the last");
    one->counted++;
    return one;
}

static CMPIStatus return_data(const CMPIResult *seen, const CMPIValue *value, CMPIType type)
{
    output *to = result_of(seen)->to;
    entries single = {NULL, 0, 0};
    CMPIStatus status = add_entry(&single, "data", value, type);
    put_line_part(to, "data ");
    put_data(to, &single.all[0].data);
    put_line_part(to, "\n");
    return status;
}

static CMPIStatus return_instance(const CMPIResult *seen, const CMPIInstance *one)
{
    output *to = result_of(seen)->to;
    if (only_counts)
        return ok();
    put_line_part(to, "instance ");
    put_instance(to, one->hdl);
    put_line_part(to, "\n");
    return ok();
}

static CMPIStatus return_object_path(const CMPIResult *seen, const CMPIObjectPath *one)
{
    output *to = result_of(seen)->to;
    if (only_counts)
        return ok();
    put_line_part(to, "path ");
    put_path(to, one->hdl);
    put_line_part(to, "\n");
    return ok();
}

static CMPIStatus return_done(const CMPIResult *seen)
{
    result *one = result_of(seen);
    one->is_done = 1;
    put_line_part(one->to, "done\n");
    return ok();
}

/* Errors: one line with what was set. */

typedef struct error {
    CMPIError as_seen;
    entries set;
} error;

static CMPIStatus set_text(CMPIError *seen, const char *name, const char *text)
{
    return add_entry(&((error *)seen->hdl)->set, name, (const CMPIValue *)(const void *)text,
                     CMPI_chars);
}

static CMPIStatus set_number(CMPIError *seen, const char *name, int number)
{
    CMPIValue value = {.sint32 = number};
    return add_entry(&((error *)seen->hdl)->set, name, &value, CMPI_sint32);
}

static CMPIStatus set_array(CMPIError *seen, const char *name, const CMPIArray *one)
{
    CMPIValue value = {.array = (CMPIArray *)one};
    return add_entry(&((error *)seen->hdl)->set, name, &value, CMPI_string | CMPI_ARRAY);
}

#define TEXT_SETTER(NAME) \
    static CMPIStatus set_##NAME(CMPIError *seen, const char *text) \
    { return set_text(seen, #NAME, text); }
#define NUMBER_SETTER(NAME) \
    static CMPIStatus set_##NAME(CMPIError *seen, int number) \
    { return set_number(seen, #NAME, number); }
TEXT_SETTER(ProbableCauseDescription)
TEXT_SETTER(ErrorSource)
TEXT_SETTER(CIMStatusCodeDescription)
NUMBER_SETTER(ErrorType)
NUMBER_SETTER(ErrorSourceFormat)

static CMPIStatus set_RecommendedActions(CMPIError *seen, const CMPIArray *one)
{
    return set_array(seen, "RecommendedActions", one);
}

static CMPIStatus set_MessageArguments(CMPIError *seen, CMPIArray *one)
{
    return set_array(seen, "MessageArguments", one);
}

static CMPIErrorFT error_ft = {
    .release = surprise,
    .clone = surprise,
    .getErrorType = surprise,
    .getMessage = surprise,
    .setErrorType = set_ErrorType,
    .setOtherErrorType = surprise,
    .setProbableCauseDescription = set_ProbableCauseDescription,
    .setRecommendedActions = set_RecommendedActions,
    .setErrorSource = set_ErrorSource,
    .setErrorSourceFormat = set_ErrorSourceFormat,
    .setOtherErrorSourceFormat = surprise,
    .setCIMStatusCodeDescription = set_CIMStatusCodeDescription,
    .setMessageArguments = set_MessageArguments,
};

static CMPIError *new_error(const CMPIBroker *mb, const char *owner, const char *id,
                            const char *message, int severity, int cause, CMPIrc rc,
                            CMPIStatus *status)
{
    (void)mb;
    error *made = pool_get(pool_here(), sizeof *made);
    error_ft.ftVersion = played->version;
    made->as_seen = (CMPIError){made, &error_ft};
    set_text(&made->as_seen, "OwningEntity", owner);
    set_text(&made->as_seen, "MessageID", id);
    set_text(&made->as_seen, "Message", message);
    set_number(&made->as_seen, "PerceivedSeverity", severity);
    set_number(&made->as_seen, "ProbableCause", cause);
    set_number(&made->as_seen, "CIMStatusCode", rc);
    tell_ok(status);
    return &made->as_seen;
}

static CMPIStatus return_error(const CMPIResult *seen, const CMPIError *one)
{
    output *to = result_of(seen)->to;
    put_line_part(to, "error ");
    put_entries(to, &((error *)one->hdl)->set);
    put_line_part(to, "\n");
    return ok();
}

static CMPIResultFT result_ft = {0,           surprise,        surprise,          return_data,
                                 return_instance, return_object_path, return_done, return_error};

void new_result(result *made, output *to)
{
    made->to = to;
    made->is_done = made->counted = 0;
    result_ft.ftVersion = played->version;
    made->as_seen = (CMPIResult){made, &result_ft};
}

/* The broker. */

static CMPIInstance *make_instance(const CMPIBroker *mb, const CMPIObjectPath *of, CMPIStatus *rc)
{
    (void)mb;
    instance *made = new_instance(of->hdl);
    tell_ok(rc);
    /* As servers do, which know the keys of the class. */
    for (CMPICount i = 0; i < made->of->keys.count; i++) {
        entry *key = &made->of->keys.all[i];
        add_entry(&made->properties, key->name, &key->data.value, key->data.type);
    }
    return &made->as_seen;
}

static CMPIObjectPath *make_path(const CMPIBroker *mb, const char *name_space,
                                 const char *class_name, CMPIStatus *rc)
{
    (void)mb;
    tell_ok(rc);
    return &new_path(name_space, class_name)->as_seen;
}

static CMPIString *make_string(const CMPIBroker *mb, const char *text, CMPIStatus *rc)
{
    (void)mb;
    tell_ok(rc);
    return new_string(text);
}

static CMPIArray *make_array(const CMPIBroker *mb, CMPICount count, CMPIType type, CMPIStatus *rc)
{
    (void)mb;
    tell_ok(rc);
    return &new_array(type, count)->as_seen;
}

static CMPIDateTime *make_datetime(const CMPIBroker *mb, const char *text, CMPIStatus *rc)
{
    (void)mb;
    tell_ok(rc);
    return new_datetime(text);
}

/* The classes of this server: X_Disk is a CIM_Disk. */
static CMPIBoolean class_path_is_a(const CMPIBroker *mb, const CMPIObjectPath *of,
                                   const char *type, CMPIStatus *rc)
{
    (void)mb;
    pool_here();
    tell_ok(rc);
    const char *name = text_of(of->ft->getClassName(of, NULL));
    const char *rest = strchr(name, '_');
    return strcasecmp(name, type) == 0 ||
           (rest != NULL && strncasecmp(type, "CIM", 3) == 0 && strcasecmp(rest, type + 3) == 0);
}

static CMPIBrokerFT bft = {0, 0, NULL, prepare_attach_thread, attach_thread, detach_thread,
                           deliver_indication, surprise, surprise, surprise, surprise, surprise,
                           surprise, surprise, surprise, surprise, surprise, surprise, surprise,
                           surprise, surprise};
static CMPIBrokerEncFT eft = {0, make_instance, make_path, surprise, make_string, make_array,
                              surprise, surprise, make_datetime, surprise, class_path_is_a, surprise,
                              surprise, surprise, surprise, surprise, surprise, new_error,
                              surprise, surprise, surprise};
CMPIBroker broker = {NULL, &bft, &eft, NULL, NULL};

void broker_play(const char *name)
{
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
        if (strcmp(flavours[i].name, name) == 0)
            played = &flavours[i];
    bft.brokerCapabilities = played->capabilities;
    bft.brokerVersion = eft.ftVersion = played->version;
    bft.brokerName = played->name;
    if (played != &flavours[0]) {
        /* What would stand there is beyond the end of the table, or not to be called. */
        eft.newCMPIError = (void *)surprise;
        result_ft.returnError = (void *)surprise;
    }
}

void broker_leave_out(const char *slot)
{
    if (strcmp(slot, "newCMPIError") == 0) eft.newCMPIError = NULL;
    else if (strcmp(slot, "returnError") == 0) result_ft.returnError = NULL;
    else if (strcmp(slot, "newInstance") == 0) eft.newInstance = NULL;
    else if (strcmp(slot, "newString") == 0) eft.newString = NULL;
    else if (strcmp(slot, "newArray") == 0) eft.newArray = NULL;
    else if (strcmp(slot, "classPathIsA") == 0) eft.classPathIsA = NULL;
    else if (strcmp(slot, "returnInstance") == 0) result_ft.returnInstance = NULL;
    else if (strcmp(slot, "prepareAttachThread") == 0) bft.prepareAttachThread = NULL;
    else if (strcmp(slot, "deliverIndication") == 0) bft.deliverIndication = NULL;
    else if (strcmp(slot, "getEntry") == 0) context_ft.getEntry = NULL;
    else if (strcmp(slot, "setErrorSource") == 0) error_ft.setErrorSource = NULL;
    else unexpected(slot);
}

/* The four interfaces of a provider, as the server loads and calls them.
 *
 * Each request becomes one block for Python: its context, its path, the properties that are wanted,
 * texts, and what belongs to the one operation. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

/* What a server may get from us; an old one gets its own version. */
enum { OUR_VERSION = 200, OLD_VERSION = 100 };

#define EXPORTED __attribute__((visibility("default")))

typedef union tables {
    CMPIInstanceMIFT instance;
    CMPIAssociationMIFT association;
    CMPIMethodMIFT method;
    CMPIIndicationMIFT indication;
} tables;

/* One interface of one provider. It stays when it was cleaned up, as a server may keep its address,
 * and is used again when it is loaded again. */
typedef struct provider {
    struct { void *hdl; const void *ft; } as_seen; /* CMPIInstanceMI and the others */
    tables ft;
    const CMPIBroker *broker;
    enum virtcim_interface interface;
    int number;
    int is_open;
    char *name;
    struct provider *next;
} provider;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static provider *providers;
static int how_many;

typedef struct request {
    enum virtcim_operation operation;
    const CMPIContext *context;
    const CMPIResult *result;
    const CMPIObjectPath *path;
    const char **properties;
    const char *texts[4];
    int flag;
    const CMPIInstance *instance;
    const CMPIArgs *in;
    const CMPIArgs *out;
} request;

static CMPIStatus failed(const CMPIBroker *broker, CMPIrc rc, const char *why)
{
    CMPIStatus status = {rc, virtcim_string(broker, why)};
    return status;
}

static const char *result_lacks(const CMPIResult *result)
{
    return result == NULL                          ? NULL
           : result->ft == NULL                    ? "table of results"
           : result->ft->returnInstance == NULL    ? "returnInstance"
           : result->ft->returnObjectPath == NULL  ? "returnObjectPath"
           : result->ft->returnData == NULL        ? "returnData"
           : result->ft->returnDone == NULL        ? "returnDone"
                                                   : NULL;
}

static CMPIStatus serve(provider *self, const request *asked)
{
    virtcim_block block = {NULL, 0, 0, 0, 0};
    virtcim_call call = {self->broker, asked->context, asked->result, asked->out,
                         {CMPI_RC_OK, NULL}, 0, 0, ""};
    const char *lacking = result_lacks(asked->result);
    if (lacking != NULL) {
        snprintf(call.reason, sizeof call.reason, "the CIM server has no %s", lacking);
        return failed(self->broker, CMPI_RC_ERR_FAILED, call.reason);
    }
    virtcim_put_context(&block, asked->context);
    virtcim_put_path(&block, asked->path);
    virtcim_put_texts(&block, asked->properties);
    for (size_t i = 0; i < sizeof asked->texts / sizeof *asked->texts; i++)
        virtcim_put_text(&block, asked->texts[i]);
    virtcim_put_number(&block, (uint32_t)asked->flag);
    if (asked->operation == CREATE_INSTANCE || asked->operation == MODIFY_INSTANCE)
        virtcim_put_instance(&block, asked->instance);
    else if (asked->operation == INVOKE_METHOD)
        virtcim_put_arguments(&block, asked->in);
    if (block.failed) {
        free(block.bytes);
        return failed(self->broker, CMPI_RC_ERR_FAILED,
                      block.too_deep ? "the request holds more instances within instances than "
                                       "can be read"
                                     : "the request cannot be kept in memory");
    }
    int rc = virtcim_serve(&call, self->number, asked->operation, block.bytes, block.length);
    free(block.bytes);
    if (call.status.rc == CMPI_RC_OK && rc != CMPI_RC_OK)
        call.status = failed(self->broker, rc, "the provider failed, and could not say why");
    return call.status;
}

#define SELF(MI) ((provider *)(MI)->hdl)
#define SERVE(MI, OPERATION, ...) \
    serve(SELF(MI), &(request){.operation = (OPERATION), .context = context, __VA_ARGS__})

static CMPIStatus clean_up(provider *self, const CMPIContext *context, CMPIBoolean terminating)
{
    CMPIStatus status = serve(
        self, &(request){.operation = CLEANUP, .context = context, .flag = terminating});
    if (status.rc == CMPI_RC_OK)
        self->is_open = 0;
    return status;
}

static CMPIStatus clean_up_instances(CMPIInstanceMI *mi, const CMPIContext *context,
                                     CMPIBoolean terminating)
{
    return clean_up(SELF(mi), context, terminating);
}

static CMPIStatus enumerate_instance_names(CMPIInstanceMI *mi, const CMPIContext *context,
                                           const CMPIResult *result, const CMPIObjectPath *path)
{
    return SERVE(mi, ENUMERATE_INSTANCE_NAMES, .result = result, .path = path);
}

static CMPIStatus enumerate_instances(CMPIInstanceMI *mi, const CMPIContext *context,
                                      const CMPIResult *result, const CMPIObjectPath *path,
                                      const char **properties)
{
    return SERVE(mi, ENUMERATE_INSTANCES, .result = result, .path = path,
                 .properties = properties);
}

static CMPIStatus get_instance(CMPIInstanceMI *mi, const CMPIContext *context,
                               const CMPIResult *result, const CMPIObjectPath *path,
                               const char **properties)
{
    return SERVE(mi, GET_INSTANCE, .result = result, .path = path, .properties = properties);
}

static CMPIStatus create_instance(CMPIInstanceMI *mi, const CMPIContext *context,
                                  const CMPIResult *result, const CMPIObjectPath *path,
                                  const CMPIInstance *instance)
{
    return SERVE(mi, CREATE_INSTANCE, .result = result, .path = path, .instance = instance);
}

static CMPIStatus modify_instance(CMPIInstanceMI *mi, const CMPIContext *context,
                                  const CMPIResult *result, const CMPIObjectPath *path,
                                  const CMPIInstance *instance, const char **properties)
{
    return SERVE(mi, MODIFY_INSTANCE, .result = result, .path = path, .instance = instance,
                 .properties = properties);
}

static CMPIStatus delete_instance(CMPIInstanceMI *mi, const CMPIContext *context,
                                  const CMPIResult *result, const CMPIObjectPath *path)
{
    return SERVE(mi, DELETE_INSTANCE, .result = result, .path = path);
}

static CMPIStatus exec_query(CMPIInstanceMI *mi, const CMPIContext *context,
                             const CMPIResult *result, const CMPIObjectPath *path,
                             const char *query, const char *language)
{
    return SERVE(mi, EXEC_QUERY, .result = result, .path = path, .texts = {query, language});
}

static CMPIStatus clean_up_associations(CMPIAssociationMI *mi, const CMPIContext *context,
                                        CMPIBoolean terminating)
{
    return clean_up(SELF(mi), context, terminating);
}

static CMPIStatus associators(CMPIAssociationMI *mi, const CMPIContext *context,
                              const CMPIResult *result, const CMPIObjectPath *path,
                              const char *association, const char *result_class, const char *role,
                              const char *result_role, const char **properties)
{
    return SERVE(mi, ASSOCIATORS, .result = result, .path = path, .properties = properties,
                 .texts = {result_class, role, association, result_role});
}

static CMPIStatus associator_names(CMPIAssociationMI *mi, const CMPIContext *context,
                                   const CMPIResult *result, const CMPIObjectPath *path,
                                   const char *association, const char *result_class,
                                   const char *role, const char *result_role)
{
    return SERVE(mi, ASSOCIATOR_NAMES, .result = result, .path = path,
                 .texts = {result_class, role, association, result_role});
}

static CMPIStatus references(CMPIAssociationMI *mi, const CMPIContext *context,
                             const CMPIResult *result, const CMPIObjectPath *path,
                             const char *result_class, const char *role, const char **properties)
{
    return SERVE(mi, REFERENCES, .result = result, .path = path, .properties = properties,
                 .texts = {result_class, role});
}

static CMPIStatus reference_names(CMPIAssociationMI *mi, const CMPIContext *context,
                                  const CMPIResult *result, const CMPIObjectPath *path,
                                  const char *result_class, const char *role)
{
    return SERVE(mi, REFERENCE_NAMES, .result = result, .path = path,
                 .texts = {result_class, role});
}

static CMPIStatus clean_up_methods(CMPIMethodMI *mi, const CMPIContext *context,
                                   CMPIBoolean terminating)
{
    return clean_up(SELF(mi), context, terminating);
}

static CMPIStatus invoke_method(CMPIMethodMI *mi, const CMPIContext *context,
                                const CMPIResult *result, const CMPIObjectPath *path,
                                const char *method, const CMPIArgs *in, CMPIArgs *out)
{
    return SERVE(mi, INVOKE_METHOD, .result = result, .path = path, .texts = {method}, .in = in,
                 .out = out);
}

static CMPIStatus clean_up_indications(CMPIIndicationMI *mi, const CMPIContext *context,
                                       CMPIBoolean terminating)
{
    return clean_up(SELF(mi), context, terminating);
}

static const char *query_of(const CMPISelectExp *filter)
{
    CMPIString *text = filter == NULL || filter->ft->getString == NULL
                           ? NULL
                           : filter->ft->getString(filter, NULL);
    return text == NULL ? NULL : text->ft->getCharPtr(text, NULL);
}

static CMPIStatus authorize_filter(CMPIIndicationMI *mi, const CMPIContext *context,
                                   const CMPISelectExp *filter, const char *class_name,
                                   const CMPIObjectPath *path, const char *owner)
{
    return SERVE(mi, AUTHORIZE_FILTER, .path = path,
                 .texts = {class_name, query_of(filter), owner});
}

static CMPIStatus must_poll(CMPIIndicationMI *mi, const CMPIContext *context,
                            const CMPISelectExp *filter, const char *class_name,
                            const CMPIObjectPath *path)
{
    return SERVE(mi, MUST_POLL, .path = path, .texts = {class_name, query_of(filter)});
}

static CMPIStatus activate_filter(CMPIIndicationMI *mi, const CMPIContext *context,
                                  const CMPISelectExp *filter, const char *class_name,
                                  const CMPIObjectPath *path, CMPIBoolean first)
{
    return SERVE(mi, ACTIVATE_FILTER, .path = path, .texts = {class_name, query_of(filter)},
                 .flag = first);
}

static CMPIStatus deactivate_filter(CMPIIndicationMI *mi, const CMPIContext *context,
                                    const CMPISelectExp *filter, const char *class_name,
                                    const CMPIObjectPath *path, CMPIBoolean last)
{
    return SERVE(mi, DEACTIVATE_FILTER, .path = path, .texts = {class_name, query_of(filter)},
                 .flag = last);
}

static CMPIStatus enable_indications(CMPIIndicationMI *mi, const CMPIContext *context)
{
    return SERVE(mi, ENABLE_INDICATIONS);
}

static CMPIStatus disable_indications(CMPIIndicationMI *mi, const CMPIContext *context)
{
    return SERVE(mi, DISABLE_INDICATIONS);
}

static void fill(provider *self)
{
    int32_t version = self->broker->eft->ftVersion >= OUR_VERSION ? OUR_VERSION : OLD_VERSION;
    const char *name = self->name;
    switch (self->interface) {
    case INSTANCE_MI:
        self->ft.instance = (CMPIInstanceMIFT){
            version, version, name, clean_up_instances, enumerate_instance_names,
            enumerate_instances, get_instance, create_instance, modify_instance, delete_instance,
            exec_query};
        break;
    case ASSOCIATION_MI:
        self->ft.association = (CMPIAssociationMIFT){
            version, version, name, clean_up_associations, associators, associator_names,
            references, reference_names};
        break;
    case METHOD_MI:
        self->ft.method =
            (CMPIMethodMIFT){version, version, name, clean_up_methods, invoke_method};
        break;
    case INDICATION_MI:
        self->ft.indication = (CMPIIndicationMIFT){
            version, version, name, clean_up_indications, authorize_filter, must_poll,
            activate_filter, deactivate_filter, enable_indications, disable_indications};
        break;
    }
    self->as_seen.hdl = self;
    self->as_seen.ft = &self->ft;
}

/* One that was cleaned up, or a new one; NULL where memory ran out. */
static provider *provider_of(enum virtcim_interface interface, const CMPIBroker *broker,
                             const char *name)
{
    pthread_mutex_lock(&lock);
    provider *found = providers;
    while (found != NULL && (found->is_open || found->interface != interface ||
                             strcmp(found->name, name) != 0))
        found = found->next;
    if (found == NULL) {
        found = calloc(1, sizeof *found);
        if (found != NULL && (found->name = strdup(name)) == NULL) {
            free(found);
            found = NULL;
        }
        if (found != NULL) {
            found->interface = interface;
            found->number = how_many++;
            found->next = providers;
            providers = found;
        }
    }
    if (found != NULL) {
        found->broker = broker;
        found->is_open = 1;
        fill(found);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void *create(enum virtcim_interface interface, const CMPIBroker *broker,
                    const CMPIContext *context, const char *name, CMPIStatus *status)
{
    CMPIStatus ignored;
    if (status == NULL)
        status = &ignored;
    status->rc = CMPI_RC_OK;
    status->msg = NULL;
    const char *lacking = virtcim_lacking(broker);
    if (lacking != NULL) {
        fprintf(stderr, "virtcim: the CIM server has no %s\n", lacking);
        status->rc = CMPI_RC_ERR_FAILED;
        return NULL;
    }
    char reason[MOST_REASON];
    if (virtcim_start(reason, sizeof reason) != 0) {
        *status = failed(broker, CMPI_RC_ERR_FAILED, reason);
        return NULL;
    }
    provider *self = provider_of(interface, broker, name == NULL ? "virtcim" : name);
    if (self == NULL) {
        *status = failed(broker, CMPI_RC_ERR_FAILED, "there is no memory for a provider");
        return NULL;
    }
    const char *server = broker->bft->brokerName;
    request asked = {.operation = OPEN, .context = context, .texts = {self->name, server},
                     .flag = broker->eft->ftVersion};
    *status = serve(self, &asked);
    if (status->rc != CMPI_RC_OK) {
        self->is_open = 0;
        return NULL;
    }
    return &self->as_seen;
}

/* What both servers look for first, by these names. */

EXPORTED CMPIInstanceMI *_Generic_Create_InstanceMI(const CMPIBroker *broker,
                                                    const CMPIContext *context, const char *name,
                                                    CMPIStatus *status)
{
    return create(INSTANCE_MI, broker, context, name, status);
}

EXPORTED CMPIAssociationMI *_Generic_Create_AssociationMI(const CMPIBroker *broker,
                                                          const CMPIContext *context,
                                                          const char *name, CMPIStatus *status)
{
    return create(ASSOCIATION_MI, broker, context, name, status);
}

EXPORTED CMPIMethodMI *_Generic_Create_MethodMI(const CMPIBroker *broker,
                                                const CMPIContext *context, const char *name,
                                                CMPIStatus *status)
{
    return create(METHOD_MI, broker, context, name, status);
}

EXPORTED CMPIIndicationMI *_Generic_Create_IndicationMI(const CMPIBroker *broker,
                                                        const CMPIContext *context,
                                                        const char *name, CMPIStatus *status)
{
    return create(INDICATION_MI, broker, context, name, status);
}

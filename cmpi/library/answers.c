/* What Python answers, handed to the server: instances, paths, values, arguments and errors. */
#include <stdio.h>
#include <string.h>

#include "bridge.h"

/* From this version of a table on it has what CMPI 2.0 brought. */
enum { WITH_ERRORS = 200 };
enum { ERROR_SOURCE_IS_A_PATH = 2 };

CMPIString *virtcim_string(const CMPIBroker *broker, const char *text)
{
    return broker->eft->newString(broker, text, NULL);
}

const char *virtcim_lacking(const CMPIBroker *broker)
{
    if (broker == NULL || broker->bft == NULL || broker->eft == NULL)
        return "tables of functions";
    const CMPIBrokerEncFT *eft = broker->eft;
    return eft->newString == NULL               ? "newString"
           : eft->newObjectPath == NULL         ? "newObjectPath"
           : eft->newInstance == NULL           ? "newInstance"
           : eft->newArray == NULL              ? "newArray"
           : eft->newDateTimeFromChars == NULL  ? "newDateTimeFromChars"
                                                : NULL;
}

/* sfcb has no such functions, and what stands where they would be is not for calling. */
int virtcim_carries_errors(const CMPIBroker *broker, const CMPIResult *result)
{
    return (broker->bft->brokerCapabilities & CMPI_MB_Supports_Extended_Error) != 0 &&
           broker->eft->ftVersion >= WITH_ERRORS && broker->eft->newCMPIError != NULL &&
           result != NULL && result->ft->ftVersion >= WITH_ERRORS &&
           result->ft->returnError != NULL;
}

static void set_text(CMPIError *error, CMPIStatus (*set)(CMPIError *, const char *),
                     const char *text)
{
    if (set != NULL && text != NULL)
        set(error, text);
}

/* text entity, id, message; uint32 severity, cause, status, error type; text description of the
 * cause, source, description of the status; array of actions, array of arguments */
static void give_error(virtcim_call *call, virtcim_cursor *cursor)
{
    const char *entity = virtcim_take_text(cursor);
    const char *id = virtcim_take_text(cursor);
    const char *message = virtcim_take_text(cursor);
    int severity = (int)virtcim_take_number(cursor);
    int cause = (int)virtcim_take_number(cursor);
    CMPIrc rc = (CMPIrc)virtcim_take_number(cursor);
    int type = (int)virtcim_take_number(cursor);
    const char *description = virtcim_take_text(cursor);
    const char *source = virtcim_take_text(cursor);
    const char *status_text = virtcim_take_text(cursor);
    CMPIArray *actions = virtcim_take_texts(call, cursor);
    CMPIArray *arguments = virtcim_take_texts(call, cursor);
    if (cursor->at == NULL || !virtcim_carries_errors(call->broker, call->result))
        return;
    CMPIError *error = call->broker->eft->newCMPIError(call->broker, entity, id, message, severity,
                                                       cause, rc, NULL);
    if (error == NULL)
        return;
    const CMPIErrorFT *ft = error->ft;
    if (ft->setErrorType != NULL)
        ft->setErrorType(error, type);
    set_text(error, ft->setProbableCauseDescription, description);
    set_text(error, ft->setErrorSource, source);
    if (source != NULL && ft->setErrorSourceFormat != NULL)
        ft->setErrorSourceFormat(error, ERROR_SOURCE_IS_A_PATH);
    set_text(error, ft->setCIMStatusCodeDescription, status_text);
    if (actions != NULL && ft->setRecommendedActions != NULL)
        ft->setRecommendedActions(error, actions);
    if (arguments != NULL && ft->setMessageArguments != NULL)
        ft->setMessageArguments(error, arguments);
    call->result->ft->returnError(call->result, error);
}

static void give_status(virtcim_call *call, virtcim_cursor *cursor)
{
    call->status.rc = (CMPIrc)virtcim_take_number(cursor);
    const char *text = virtcim_take_text(cursor);
    if (text != NULL)
        call->status.msg = virtcim_string(call->broker, text);
}

static CMPIStatus give_value(virtcim_call *call, virtcim_cursor *cursor)
{
    CMPIStatus status = {CMPI_RC_ERR_FAILED, NULL};
    CMPIValue value;
    CMPIType type;
    int is_null;
    if (virtcim_take_value(call, cursor, &value, &type, &is_null) != 0)
        return status;
    return call->result->ft->returnData(call->result, is_null ? NULL : &value, type);
}

static CMPIStatus give_argument(virtcim_call *call, virtcim_cursor *cursor)
{
    CMPIStatus status = {CMPI_RC_ERR_FAILED, NULL};
    const char *name = virtcim_take_text(cursor);
    CMPIValue value;
    CMPIType type;
    int is_null;
    if (name == NULL || call->out == NULL ||
        virtcim_take_value(call, cursor, &value, &type, &is_null) != 0)
        return status;
    return call->out->ft->addArg(call->out, name, is_null ? NULL : &value, type);
}

static CMPIStatus give_one(virtcim_call *call, virtcim_cursor *cursor, int kind)
{
    CMPIStatus status = {CMPI_RC_OK, NULL};
    if (kind == 'i') {
        CMPIInstance *instance = virtcim_take_instance(call, cursor);
        if (instance != NULL)
            status = call->result->ft->returnInstance(call->result, instance);
    } else if (kind == 'p') {
        CMPIObjectPath *path = virtcim_take_path(call, cursor);
        if (path != NULL)
            status = call->result->ft->returnObjectPath(call->result, path);
    } else if (kind == 'n' || kind == 'a' || kind == 'b') {
        virtcim_give_alike(call, cursor, kind);
    } else if (kind == 'v') {
        status = give_value(call, cursor);
    } else if (kind == 'o') {
        status = give_argument(call, cursor);
    } else if (kind == 'd') {
        status = call->result->ft->returnDone(call->result);
    } else if (kind == 'e') {
        give_error(call, cursor);
    } else if (kind == 's') {
        give_status(call, cursor);
    } else {
        status.rc = CMPI_RC_ERR_FAILED;
    }
    return status;
}

/* Items, each after a letter that says what it is. Ends with the first that the server refuses, and
 * gives its status, which Python makes one with a text of. */
int virtcim_give(virtcim_call *call, const char *block, size_t length)
{
    virtcim_cursor cursor = {block, block + length};
    while (cursor.at != NULL && cursor.at < cursor.end) {
        int kind = *cursor.at++;
        if (strchr("vipdnab", kind) != NULL && call->result == NULL) {
            virtcim_refuse(call, CMPI_RC_ERR_FAILED, "an answer: there is no result", NULL);
            break;
        }
        CMPIStatus status = give_one(call, &cursor, kind);
        if (status.rc != CMPI_RC_OK) {
            virtcim_refuse(call, status.rc, "an answer", NULL);
            break;
        }
        if (kind != 's' && call->status.rc != CMPI_RC_OK)
            break;
    }
    if (cursor.at == NULL)
        virtcim_refuse(call, CMPI_RC_ERR_FAILED, "nothing, but a block is damaged", NULL);
    if (!call->refused)
        return CMPI_RC_OK;
    CMPIrc refusal = call->status.rc;
    call->status.rc = CMPI_RC_OK;
    call->refused = 0;
    return refusal;
}

/* Threads of ours: a context is prepared where the server knows the thread, and the next one while
 * the thread is attached with this one. The server frees what was made meanwhile when the thread is
 * detached, and the context. */
CMPIContext *virtcim_prepare(virtcim_call *call)
{
    const CMPIBrokerFT *bft = call->broker->bft;
    if (bft->prepareAttachThread == NULL || bft->attachThread == NULL ||
        bft->detachThread == NULL || bft->deliverIndication == NULL || call->context == NULL)
        return NULL;
    return bft->prepareAttachThread(call->broker, call->context);
}

/* text namespace, then an instance; again and again */
int virtcim_deliver(const CMPIBroker *broker, CMPIContext **attached, const char *block,
                    size_t length, char *reason, size_t room)
{
    CMPIContext *context = *attached;
    virtcim_call call = {broker, context, NULL, NULL, {CMPI_RC_OK, NULL}, 0, 0, ""};
    virtcim_cursor cursor = {block, block + length};
    CMPIStatus status = broker->bft->attachThread(broker, context);
    if (status.rc != CMPI_RC_OK) {
        snprintf(reason, room, "the CIM server does not take the thread (status %d)",
                 (int)status.rc);
        return status.rc;
    }
    *attached = broker->bft->prepareAttachThread(broker, context);
    while (cursor.at != NULL && cursor.at < cursor.end && call.status.rc == CMPI_RC_OK) {
        const char *name_space = virtcim_take_text(&cursor);
        CMPIInstance *instance = virtcim_take_instance(&call, &cursor);
        if (instance == NULL || name_space == NULL)
            break;
        status = broker->bft->deliverIndication(broker, context, name_space, instance);
        if (status.rc != CMPI_RC_OK)
            virtcim_refuse(&call, status.rc, "an indication of", name_space);
    }
    snprintf(reason, room, "%s", call.reason);
    broker->bft->detachThread(broker, context);
    return call.status.rc;
}

void virtcim_forget(CMPIContext *context)
{
    if (context != NULL && context->ft->release != NULL)
        context->ft->release(context);
}

int virtcim_is_a(virtcim_call *call, const char *name_space, const char *class_name,
                 const char *ancestor)
{
    const CMPIBrokerEncFT *make = call->broker->eft;
    CMPIStatus status = {CMPI_RC_OK, NULL};
    if (make->classPathIsA == NULL)
        return -1;
    CMPIObjectPath *path = make->newObjectPath(call->broker, name_space, class_name, &status);
    if (path == NULL || status.rc != CMPI_RC_OK)
        return -1;
    CMPIBoolean found = make->classPathIsA(call->broker, path, ancestor, &status);
    return status.rc != CMPI_RC_OK ? -1 : found != 0;
}

/* A CIM server that does what it is told on its standard input, a command a line, and writes what a
 * provider gave it: the lines of an answer, then "end". What no provider should do ends it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "words.h"

enum { MOST_PROVIDERS = 64 };

typedef void *create(const CMPIBroker *, const CMPIContext *, const char *, CMPIStatus *);
static const char *const factories[] = {
    "_Generic_Create_InstanceMI", "_Generic_Create_AssociationMI", "_Generic_Create_MethodMI",
    "_Generic_Create_IndicationMI"};

static void *library;
static void *providers[MOST_PROVIDERS];
static int how_many;

static void put_status(output *to, CMPIStatus status)
{
    put_line_part(to, "status %d ", (int)status.rc);
    put_text(to, status.msg == NULL ? NULL : text_of(status.msg));
    put_line_part(to, "\n");
}

static CMPIString *get_query(const CMPISelectExp *filter, CMPIStatus *rc)
{
    if (rc != NULL)
        *rc = (CMPIStatus){CMPI_RC_OK, NULL};
    return new_string(filter->hdl);
}

/* A request of the kind "PROVIDER OPERATION PRINCIPAL LANGUAGES ..." */
static void run(output *to, char *command)
{
    words line = {command};
    pool *own = pool_new();
    pool_enter(own);
    void *mi = providers[next_number(&line)];
    const char *operation = next_word(&line);
    const char *principal = next_text(&line);
    CMPIContext *context = new_context(principal, next_text(&line));
    result answer;
    new_result(&answer, to);
    const CMPIResult *result = &answer.as_seen;
    CMPIInstanceMI *instances = mi;
    CMPIAssociationMI *associations = mi;
    CMPIMethodMI *methods = mi;
    CMPIIndicationMI *indications = mi;
    CMPIStatus status;
#define IS(NAME) (strcmp(operation, #NAME) == 0)
    if (IS(cleanup)) {
        status = instances->ft->cleanup(mi, context, (CMPIBoolean)next_number(&line));
    } else if (IS(enableIndications)) {
        status = indications->ft->enableIndications(mi, context);
    } else if (IS(disableIndications)) {
        status = indications->ft->disableIndications(mi, context);
    } else {
        const CMPIObjectPath *of = &next_path(&line)->as_seen;
        const char **list = next_texts(&line);
        if (IS(enumerateInstances)) {
            status = instances->ft->enumerateInstances(mi, context, result, of, list);
        } else if (IS(enumerateInstanceNames)) {
            status = instances->ft->enumerateInstanceNames(mi, context, result, of);
        } else if (IS(getInstance)) {
            status = instances->ft->getInstance(mi, context, result, of, list);
        } else if (IS(createInstance)) {
            status = instances->ft->createInstance(mi, context, result, of,
                                                   &next_instance(&line)->as_seen);
        } else if (IS(modifyInstance)) {
            status = instances->ft->modifyInstance(mi, context, result, of,
                                                   &next_instance(&line)->as_seen, list);
        } else if (IS(deleteInstance)) {
            status = instances->ft->deleteInstance(mi, context, result, of);
        } else if (IS(execQuery)) {
            const char *query = next_text(&line);
            status = instances->ft->execQuery(mi, context, result, of, query, next_text(&line));
        } else if (IS(associators) || IS(associatorNames)) {
            const char *association = next_text(&line), *result_class = next_text(&line);
            const char *role = next_text(&line), *result_role = next_text(&line);
            status = IS(associators)
                         ? associations->ft->associators(mi, context, result, of, association,
                                                         result_class, role, result_role, list)
                         : associations->ft->associatorNames(mi, context, result, of, association,
                                                             result_class, role, result_role);
        } else if (IS(references) || IS(referenceNames)) {
            const char *result_class = next_text(&line), *role = next_text(&line);
            status = IS(references) ? associations->ft->references(mi, context, result, of,
                                                                   result_class, role, list)
                                    : associations->ft->referenceNames(mi, context, result, of,
                                                                       result_class, role);
        } else if (IS(invokeMethod)) {
            const char *name = next_text(&line);
            args *in = new_args(), *out = new_args();
            next_entries(&line, &in->all);
            status = methods->ft->invokeMethod(mi, context, result, of, name, &in->as_seen,
                                               &out->as_seen);
            put_line_part(to, "arguments ");
            put_entries(to, &out->all);
            put_line_part(to, "\n");
        } else {
            const char *class_name = next_text(&line), *query = next_text(&line);
            CMPISelectExpFT table = {.ftVersion = played->version, .getString = get_query};
            CMPISelectExp filter = {(void *)query, &table};
            if (IS(authorizeFilter))
                status = indications->ft->authorizeFilter(mi, context, &filter, class_name, of,
                                                          "owner");
            else if (IS(mustPoll))
                status = indications->ft->mustPoll(mi, context, &filter, class_name, of);
            else if (IS(activateFilter))
                status = indications->ft->activateFilter(mi, context, &filter, class_name, of, 1);
            else if (IS(deActivateFilter))
                status = indications->ft->deActivateFilter(mi, context, &filter, class_name, of,
                                                           1);
            else
                unexpected(operation);
        }
    }
    if (only_counts)
        put_line_part(to, "counted %d\n", answer.counted - answer.is_done);
    put_status(to, status);
    /* The server's own end of the context: not that of a thread. */
    pool_enter(NULL);
    pool_free(own);
    free_request_context(context);
}

static void open_provider(output *to, words *line)
{
    pool *own = pool_new();
    pool_enter(own);
    int kind = next_number(line);
    create *make = (create *)dlsym(library, factories[kind]);
    const char *name = next_text(line);
    CMPIContext *context = new_context("root", NULL);
    CMPIStatus status = {CMPI_RC_OK, NULL};
    void *made = make == NULL ? NULL : make(&broker, context, name, &status);
    if (made != NULL) {
        const CMPIInstanceMIFT *table = ((CMPIInstanceMI *)made)->ft;
        put_line_part(to, "provider %d %d %d ", how_many, table->ftVersion, table->miVersion);
        put_text(to, table->miName);
        put_line_part(to, "\n");
        providers[how_many++] = made;
    }
    put_status(to, status);
    pool_enter(NULL);
    pool_free(own);
    free_request_context(context);
}

typedef struct work {
    char *command;
    int times;
    output last;
} work;

static void *work_on(void *given)
{
    work *one = given;
    for (int i = 0; i < one->times; i++) {
        char *command = strdup(one->command);
        one->last.length = 0;
        run(&one->last, command);
        free(command);
    }
    return NULL;
}

/* The answer of one of the threads, and how many of the others had another one. */
static void run_parallel(output *to, words *line)
{
    int threads = next_number(line), times = next_number(line), different = 0;
    pthread_t *all = calloc((size_t)threads, sizeof *all);
    work *works = calloc((size_t)threads, sizeof *works);
    for (int i = 0; i < threads; i++) {
        works[i] = (work){line->rest, times, {NULL, 0, 0}};
        pthread_create(&all[i], NULL, work_on, &works[i]);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
        if (strcmp(works[i].last.text, works[0].last.text) != 0)
            different++;
    }
    put_line_part(to, "%sdifferent %d\n", works[0].last.text, different);
    for (int i = 0; i < threads; i++)
        free(works[i].last.text);
    free(works);
    free(all);
}

static void become_child(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        return;
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
    _exit(WEXITSTATUS(status));
}

int do_command(output *to, char *command)
{
    words line = {command};
    const char *name = next_word(&line);
    int goes_on = 1;
    put_line_part(to, "%s", "");
    if (strcmp(name, "load") == 0) {
        int flags = RTLD_NOW | (next_number(&line) ? RTLD_GLOBAL : RTLD_LOCAL);
        library = dlopen(next_text(&line), flags);
        put_line_part(to, "%s", library == NULL ? "failed " : "loaded");
        if (library == NULL)
            put_text(to, dlerror());
        put_line_part(to, "\n");
    } else if (strcmp(name, "unload") == 0) {
        put_line_part(to, "status %d -\n", dlclose(library));
        how_many = 0;
    } else if (strcmp(name, "open") == 0) {
        open_provider(to, &line);
    } else if (strcmp(name, "run") == 0) {
        run(to, line.rest);
    } else if (strcmp(name, "repeat") == 0) {
        int times = next_number(&line);
        work one = {line.rest, times, {NULL, 0, 0}};
        work_on(&one);
        put_line_part(to, "%s", one.last.text);
        free(one.last.text);
    } else if (strcmp(name, "parallel") == 0) {
        run_parallel(to, &line);
    } else if (strcmp(name, "delivered") == 0) {
        delivered(to, next_number(&line));
    } else if (strcmp(name, "contexts") == 0) {
        put_line_part(to, "contexts %d\n", contexts_in_use());
    } else if (strcmp(name, "refuse") == 0) {
        const char *which = next_text(&line);
        snprintf(refused, sizeof refused, "%s", which == NULL ? "" : which);
        refused_with = next_number(&line);
    } else if (strcmp(name, "await") == 0) {
        await_refusals(next_number(&line));
    } else if (strcmp(name, "count") == 0) {
        only_counts = next_number(&line);
    } else if (strcmp(name, "without") == 0) {
        broker_leave_out(next_word(&line));
    } else if (strcmp(name, "setenv") == 0) {
        const char *variable = next_text(&line);
        setenv(variable, next_text(&line), 1);
    } else if (strcmp(name, "become") == 0) {
        put_line_part(to, "status %d -\n", setuid((uid_t)next_number(&line)));
    } else if (strcmp(name, "fork") == 0) {
        become_child();
    } else if (strcmp(name, "quit") == 0) {
        goes_on = 0;
    } else {
        unexpected(name);
    }
    return goes_on;
}

static int serve_one(char *command)
{
    output to = {NULL, 0, 0};
    int goes_on = do_command(&to, command);
    fputs(to.text, stdout);
    fputs("end\n", stdout);
    fflush(stdout);
    free(to.text);
    return goes_on;
}

static void *serve(void *unused)
{
    char *command = NULL;
    size_t room = 0;
    ssize_t length;
    int goes_on = 1;
    while (goes_on && (length = getline(&command, &room, stdin)) > 0) {
        if (command[length - 1] == '\n')
            command[length - 1] = '\0';
        goes_on = serve_one(command);
    }
    free(command);
    return unused;
}

int main(int count, char **arguments)
{
    broker_play(count > 1 ? arguments[1] : "Pegasus");
    if (count > 2 && strcmp(arguments[2], "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, serve, NULL);
        pthread_join(thread, NULL);
    } else {
        serve(NULL);
    }
    return 0;
}

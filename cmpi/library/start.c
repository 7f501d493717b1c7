/* Starting Python in the process of a CIM server, once, in the environment the library was built in.
 *
 * The server knows nothing of Python: it may have forked before, load the library in any thread,
 * with any flags, under another user and with any environment variables. */
#define _GNU_SOURCE
#include <Python.h>

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"

#define SETTINGS_END ".conf"
#define EXECUTABLE "executable="
#define VERSION Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(PY_MINOR_VERSION)

/* Raises what keeps the bridge from being used, before anything of cffi is; what is found beside the
 * library is its settings file. */
static const char *const FIRST_STEPS =
    "import virtcim.cmpi.embedded as embedded\n"
    "embedded.prepare(settings)\n";

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pid_t started_in;
static int is_ready;

__attribute__((format(printf, 3, 4)))
static int because(char *reason, size_t room, const char *form, ...)
{
    va_list values;
    va_start(values, form);
    vsnprintf(reason, room, form, values);
    va_end(values);
    return -1;
}

/* The settings file beside the library; *library is the library itself. */
static int find_settings(char *settings, char *library, char *reason, size_t room)
{
    static const char here;
    Dl_info info;
    if (dladdr(&here, &info) == 0 || realpath(info.dli_fname, library) == NULL)
        return because(reason, room, "the library cannot find out where it is");
    size_t length = strlen(library);
    if (length > 3 && strcmp(library + length - 3, ".so") == 0)
        length -= 3;
    if (length + sizeof SETTINGS_END > PATH_MAX)
        return because(reason, room, "the path of the library is too long");
    memcpy(settings, library, length);
    memcpy(settings + length, SETTINGS_END, sizeof SETTINGS_END);
    return 0;
}

/* The interpreter that is named in the settings file, by its absolute path. */
static int find_executable(const char *settings, char *executable, char *reason, size_t room)
{
    FILE *file = fopen(settings, "re");
    if (file == NULL)
        return because(reason, room, "%s cannot be read; it says where Python is", settings);
    char line[PATH_MAX + sizeof EXECUTABLE];
    executable[0] = '\0';
    while (executable[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *value = line + strlen(EXECUTABLE);
        if (strncmp(line, EXECUTABLE, strlen(EXECUTABLE)) == 0 && strlen(value) < PATH_MAX)
            strcpy(executable, value);
    }
    fclose(file);
    if (executable[0] != '/')
        return because(reason, room, "%s has no line " EXECUTABLE "/PATH/TO/PYTHON", settings);
    if (access(executable, X_OK) != 0)
        return because(reason, room,
                       "%s, which %s names, is not there or cannot be run by this user: virtcim "
                       "was removed or moved after the library was built",
                       executable, settings);
    return 0;
}

/* Neither this library nor Python can ever go again, and extension modules find Python's names. */
static void pin(const char *library)
{
    Dl_info info;
    dlopen(library, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (dladdr((const void *)&Py_IsInitialized, &info) != 0)
        dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE | RTLD_GLOBAL);
}

static int initialize(const char *executable, char *reason, size_t room)
{
    PyPreConfig before;
    PyPreConfig_InitPythonConfig(&before);
    before.use_environment = 0;
    before.parse_argv = 0;
    before.utf8_mode = 1;
    before.configure_locale = 0; /* the locale is the server's */
    PyStatus status = Py_PreInitialize(&before);
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.use_environment = 0;
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    config.user_site_directory = 0;
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.executable, executable);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.program_name, executable);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        return because(reason, room, "Python does not start from %s: %s", executable,
                       status.err_msg == NULL ? "it gives no reason" : status.err_msg);
    /* From here on the interpreter belongs to nobody, and each call asks for it. */
    PyEval_SaveThread();
    return 0;
}

/* The exception that is set, with the end of its traceback. */
static void tell_exception(char *reason, size_t room)
{
    PyObject *type, *value, *traceback, *lines = NULL, *text = NULL, *empty = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("traceback");
    if (module != NULL)
        lines = PyObject_CallMethod(module, "format_exception", "OOO", type,
                                    value == NULL ? Py_None : value,
                                    traceback == NULL ? Py_None : traceback);
    if (lines != NULL && (empty = PyUnicode_FromString("")) != NULL)
        text = PyUnicode_Join(empty, lines);
    if (text == NULL && value != NULL) {
        PyErr_Clear();
        text = PyObject_Str(value);
    }
    Py_ssize_t length = 0;
    const char *told = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &length);
    const char *from = told;
    static const char head[] = "virtcim cannot be used with Python " VERSION
                               ", which the library was built for: ";
    Py_ssize_t most = (Py_ssize_t)(room - sizeof head);
    if (told != NULL && length > most) {
        from = told + (length - most);
        while ((*from & 0xc0) == 0x80) /* within a character */
            from++;
    }
    because(reason, room, "%s%s", head, from == NULL ? "it gives no reason" : from);
    Py_XDECREF(text);
    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_XDECREF(module);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyErr_Clear();
}

static int prepare(const char *settings, char *reason, size_t room)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *names = PyDict_New(), *path = PyUnicode_DecodeFSDefault(settings), *done = NULL;
    if (names != NULL && path != NULL &&
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0 &&
        PyDict_SetItemString(names, "settings", path) == 0)
        done = PyRun_String(FIRST_STEPS, Py_file_input, names, names);
    if (done == NULL)
        tell_exception(reason, room);
    int is_done = done != NULL;
    Py_XDECREF(done);
    Py_XDECREF(path);
    Py_XDECREF(names);
    PyGILState_Release(state);
    if (!is_done)
        return -1;
    if (virtcim_connect_python() != 0)
        return because(reason, room, "Python and the library do not fit together; its standard "
                                     "error has more");
    return 0;
}

static int start(char *reason, size_t room)
{
    char library[PATH_MAX], settings[PATH_MAX], executable[PATH_MAX];
    if (started_in != 0 && started_in != getpid())
        return because(reason, room, "Python was started in process %ld, which then forked; a "
                                     "provider can only be used where it was loaded",
                       (long)started_in);
    if (is_ready)
        return 0;
    if (find_settings(settings, library, reason, room) != 0)
        return -1;
    pin(library);
    if (!Py_IsInitialized()) {
        if (find_executable(settings, executable, reason, room) != 0 ||
            initialize(executable, reason, room) != 0)
            return -1;
    }
    started_in = getpid();
    if (prepare(settings, reason, room) != 0)
        return -1;
    is_ready = 1;
    return 0;
}

int virtcim_start(char *reason, size_t room)
{
    pthread_mutex_lock(&starting);
    int status = start(reason, room);
    pthread_mutex_unlock(&starting);
    return status;
}

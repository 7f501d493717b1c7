/* The binary interface of CMPI (The Open Group C061, "Common Manageability Programming Interface
 * (CMPI)", issue 2.0): the types, and the order of the members of its tables of functions.
 *
 * Of functions that nobody here calls or offers only the place is declared. An object and its table
 * keep the names of the standard, so that its text explains them. */
#ifndef VIRTCIM_CMPI_ABI_H
#define VIRTCIM_CMPI_ABI_H

#include <stdint.h>

typedef uint32_t CMPICount;
typedef uint16_t CMPIType;
typedef uint16_t CMPIValueState;
typedef uint8_t CMPIBoolean;
typedef int32_t CMPIrc;

/* A function that has a place in its table, and no more. */
typedef void (*CMPISlot)(void);

/* Everything that is handed around is a handle and a table. */
#define CMPI_OBJECT(NAME) \
    typedef struct CMPI##NAME##FT CMPI##NAME##FT; \
    typedef struct CMPI##NAME { void *hdl; const CMPI##NAME##FT *ft; } CMPI##NAME

CMPI_OBJECT(Args);
CMPI_OBJECT(Array);
CMPI_OBJECT(Context);
CMPI_OBJECT(DateTime);
CMPI_OBJECT(Error);
CMPI_OBJECT(Instance);
CMPI_OBJECT(ObjectPath);
CMPI_OBJECT(Result);
CMPI_OBJECT(SelectExp);
CMPI_OBJECT(String);
CMPI_OBJECT(InstanceMI);
CMPI_OBJECT(AssociationMI);
CMPI_OBJECT(MethodMI);
CMPI_OBJECT(IndicationMI);

typedef union CMPIValue {
    uint64_t uint64;
    uint32_t uint32;
    uint16_t uint16;
    uint8_t uint8;
    int64_t sint64;
    int32_t sint32;
    int16_t sint16;
    int8_t sint8;
    double real64;
    float real32;
    CMPIBoolean boolean;
    uint16_t char16;
    CMPIInstance *inst;
    CMPIObjectPath *ref;
    CMPIArray *array;
    CMPIString *string;
    char *chars;
    CMPIDateTime *dateTime;
    struct {
        void *ptr;
        CMPICount length;
    } dataPtr;
} CMPIValue;

typedef struct CMPIData {
    CMPIType type;
    CMPIValueState state;
    CMPIValue value;
} CMPIData;

typedef struct CMPIStatus {
    CMPIrc rc;
    CMPIString *msg;
} CMPIStatus;

enum {
    CMPI_null = 0x0000,
    CMPI_boolean = 0x0002,
    CMPI_char16 = 0x0003,
    CMPI_real32 = 0x0008,
    CMPI_real64 = 0x000c,
    CMPI_uint8 = 0x0080,
    CMPI_uint16 = 0x0090,
    CMPI_uint32 = 0x00a0,
    CMPI_uint64 = 0x00b0,
    CMPI_sint8 = 0x00c0,
    CMPI_sint16 = 0x00d0,
    CMPI_sint32 = 0x00e0,
    CMPI_sint64 = 0x00f0,
    CMPI_instance = 0x1000,
    CMPI_ref = 0x1100,
    CMPI_string = 0x1600,
    CMPI_chars = 0x1700,
    CMPI_dateTime = 0x1800,
    CMPI_ARRAY = 0x2000
};

enum { CMPI_goodValue = 0, CMPI_nullValue = 0x0100, CMPI_keyValue = 0x0200, CMPI_notFound = 0x0400,
       CMPI_badValue = 0x8000 };

enum { CMPI_RC_OK = 0, CMPI_RC_ERR_FAILED = 1, CMPI_RC_ERR_NOT_SUPPORTED = 7,
       CMPI_RC_ERR_NO_SUCH_PROPERTY = 12, CMPI_RC_ERR_TYPE_MISMATCH = 13,
       CMPI_RC_DO_NOT_UNLOAD = 50, CMPI_RC_ERR_INVALID_DATA_TYPE = 61 };

enum { CMPI_MB_Supports_Extended_Error = 0x8000 };

typedef struct CMPIBrokerFT CMPIBrokerFT;
typedef struct CMPIBrokerEncFT CMPIBrokerEncFT;

typedef struct CMPIBroker {
    void *hdl;
    const CMPIBrokerFT *bft;
    const CMPIBrokerEncFT *eft;
    const void *xft;
    const void *mft; /* from version 200 */
} CMPIBroker;

struct CMPIBrokerFT {
    uint32_t brokerCapabilities;
    int32_t brokerVersion;
    const char *brokerName;
    CMPIContext *(*prepareAttachThread)(const CMPIBroker *, const CMPIContext *);
    CMPIStatus (*attachThread)(const CMPIBroker *, const CMPIContext *);
    CMPIStatus (*detachThread)(const CMPIBroker *, const CMPIContext *);
    CMPIStatus (*deliverIndication)(const CMPIBroker *, const CMPIContext *, const char *ns,
                                    const CMPIInstance *);
    CMPISlot enumerateInstanceNames;
    CMPISlot getInstance;
    CMPISlot createInstance;
    CMPISlot modifyInstance;
    CMPISlot deleteInstance;
    CMPISlot execQuery;
    CMPISlot enumerateInstances;
    CMPISlot associators;
    CMPISlot associatorNames;
    CMPISlot references;
    CMPISlot referenceNames;
    CMPISlot invokeMethod;
    CMPISlot setProperty;
    CMPISlot getProperty;
};

struct CMPIBrokerEncFT {
    int32_t ftVersion;
    CMPIInstance *(*newInstance)(const CMPIBroker *, const CMPIObjectPath *, CMPIStatus *);
    CMPIObjectPath *(*newObjectPath)(const CMPIBroker *, const char *ns, const char *cn,
                                     CMPIStatus *);
    CMPISlot newArgs;
    CMPIString *(*newString)(const CMPIBroker *, const char *, CMPIStatus *);
    CMPIArray *(*newArray)(const CMPIBroker *, CMPICount, CMPIType, CMPIStatus *);
    CMPISlot newDateTime;
    CMPISlot newDateTimeFromBinary;
    CMPIDateTime *(*newDateTimeFromChars)(const CMPIBroker *, const char *, CMPIStatus *);
    CMPISlot newSelectExp;
    CMPIBoolean (*classPathIsA)(const CMPIBroker *, const CMPIObjectPath *, const char *type,
                                CMPIStatus *);
    CMPISlot toString;
    CMPISlot isOfType;
    CMPISlot getType;
    CMPISlot getMessage;
    CMPISlot logMessage;
    CMPISlot trace;
    /* From version 200. */
    CMPIError *(*newCMPIError)(const CMPIBroker *, const char *owner, const char *id,
                               const char *message, int severity, int cause, CMPIrc, CMPIStatus *);
    CMPISlot openMessageFile;
    CMPISlot closeMessageFile;
    CMPISlot getMessage2;
};

struct CMPIContextFT {
    int32_t ftVersion;
    CMPIStatus (*release)(CMPIContext *);
    CMPISlot clone;
    CMPIData (*getEntry)(const CMPIContext *, const char *name, CMPIStatus *);
    CMPISlot getEntryAt;
    CMPISlot getEntryCount;
    CMPISlot addEntry;
};

struct CMPIResultFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPIStatus (*returnData)(const CMPIResult *, const CMPIValue *, CMPIType);
    CMPIStatus (*returnInstance)(const CMPIResult *, const CMPIInstance *);
    CMPIStatus (*returnObjectPath)(const CMPIResult *, const CMPIObjectPath *);
    CMPIStatus (*returnDone)(const CMPIResult *);
    /* From version 200. */
    CMPIStatus (*returnError)(const CMPIResult *, const CMPIError *);
};

struct CMPIErrorFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPISlot getErrorType;
    CMPISlot getOtherErrorType;
    CMPISlot getOwningEntity;
    CMPISlot getMessageID;
    CMPISlot getMessage;
    CMPISlot getPerceivedSeverity;
    CMPISlot getProbableCause;
    CMPISlot getProbableCauseDescription;
    CMPISlot getRecommendedActions;
    CMPISlot getErrorSource;
    CMPISlot getErrorSourceFormat;
    CMPISlot getOtherErrorSourceFormat;
    CMPISlot getCIMStatusCode;
    CMPISlot getCIMStatusCodeDescription;
    CMPISlot getMessageArguments;
    CMPIStatus (*setErrorType)(CMPIError *, int);
    CMPISlot setOtherErrorType;
    CMPIStatus (*setProbableCauseDescription)(CMPIError *, const char *);
    CMPIStatus (*setRecommendedActions)(CMPIError *, const CMPIArray *);
    CMPIStatus (*setErrorSource)(CMPIError *, const char *);
    CMPIStatus (*setErrorSourceFormat)(CMPIError *, int);
    CMPISlot setOtherErrorSourceFormat;
    CMPIStatus (*setCIMStatusCodeDescription)(CMPIError *, const char *);
    CMPIStatus (*setMessageArguments)(CMPIError *, CMPIArray *);
};

struct CMPIInstanceFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPISlot getProperty;
    CMPIData (*getPropertyAt)(const CMPIInstance *, CMPICount, CMPIString **name, CMPIStatus *);
    CMPICount (*getPropertyCount)(const CMPIInstance *, CMPIStatus *);
    CMPIStatus (*setProperty)(const CMPIInstance *, const char *name, const CMPIValue *, CMPIType);
    CMPIObjectPath *(*getObjectPath)(const CMPIInstance *, CMPIStatus *);
    CMPISlot setPropertyFilter;
    CMPISlot setObjectPath;
    CMPISlot setPropertyWithOrigin; /* from version 200 */
};

struct CMPIObjectPathFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPISlot setNameSpace;
    CMPIString *(*getNameSpace)(const CMPIObjectPath *, CMPIStatus *);
    CMPISlot setHostname;
    CMPISlot getHostname;
    CMPISlot setClassName;
    CMPIString *(*getClassName)(const CMPIObjectPath *, CMPIStatus *);
    CMPIStatus (*addKey)(const CMPIObjectPath *, const char *name, const CMPIValue *, CMPIType);
    CMPISlot getKey;
    CMPIData (*getKeyAt)(const CMPIObjectPath *, CMPICount, CMPIString **name, CMPIStatus *);
    CMPICount (*getKeyCount)(const CMPIObjectPath *, CMPIStatus *);
    CMPISlot setNameSpaceFromObjectPath;
    CMPISlot setHostAndNameSpaceFromObjectPath;
    CMPISlot getClassQualifier;
    CMPISlot getPropertyQualifier;
    CMPISlot getMethodQualifier;
    CMPISlot getParameterQualifier;
    CMPISlot toString;
};

struct CMPIArgsFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPIStatus (*addArg)(const CMPIArgs *, const char *name, const CMPIValue *, CMPIType);
    CMPISlot getArg;
    CMPIData (*getArgAt)(const CMPIArgs *, CMPICount, CMPIString **name, CMPIStatus *);
    CMPICount (*getArgCount)(const CMPIArgs *, CMPIStatus *);
};

struct CMPIStringFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    const char *(*getCharPtr)(const CMPIString *, CMPIStatus *);
};

struct CMPIArrayFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPICount (*getSize)(const CMPIArray *, CMPIStatus *);
    CMPIType (*getSimpleType)(const CMPIArray *, CMPIStatus *);
    CMPIData (*getElementAt)(const CMPIArray *, CMPICount, CMPIStatus *);
    CMPIStatus (*setElementAt)(CMPIArray *, CMPICount, const CMPIValue *, CMPIType);
};

struct CMPIDateTimeFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPISlot getBinaryFormat;
    CMPIString *(*getStringFormat)(const CMPIDateTime *, CMPIStatus *);
    CMPISlot isInterval;
};

struct CMPISelectExpFT {
    int32_t ftVersion;
    CMPISlot release;
    CMPISlot clone;
    CMPISlot evaluate;
    CMPIString *(*getString)(const CMPISelectExp *, CMPIStatus *);
    CMPISlot getDOC;
    CMPISlot getCOD;
    CMPISlot evaluateUsingAccessor;
};

/* What a provider offers: one table for each interface. */

struct CMPIInstanceMIFT {
    int32_t ftVersion;
    int32_t miVersion;
    const char *miName;
    CMPIStatus (*cleanup)(CMPIInstanceMI *, const CMPIContext *, CMPIBoolean terminating);
    CMPIStatus (*enumerateInstanceNames)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                                         const CMPIObjectPath *);
    CMPIStatus (*enumerateInstances)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                                     const CMPIObjectPath *, const char **properties);
    CMPIStatus (*getInstance)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                              const CMPIObjectPath *, const char **properties);
    CMPIStatus (*createInstance)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                                 const CMPIObjectPath *, const CMPIInstance *);
    CMPIStatus (*modifyInstance)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                                 const CMPIObjectPath *, const CMPIInstance *,
                                 const char **properties);
    CMPIStatus (*deleteInstance)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                                 const CMPIObjectPath *);
    CMPIStatus (*execQuery)(CMPIInstanceMI *, const CMPIContext *, const CMPIResult *,
                            const CMPIObjectPath *, const char *query, const char *language);
};

struct CMPIAssociationMIFT {
    int32_t ftVersion;
    int32_t miVersion;
    const char *miName;
    CMPIStatus (*cleanup)(CMPIAssociationMI *, const CMPIContext *, CMPIBoolean terminating);
    CMPIStatus (*associators)(CMPIAssociationMI *, const CMPIContext *, const CMPIResult *,
                              const CMPIObjectPath *, const char *assocClass,
                              const char *resultClass, const char *role, const char *resultRole,
                              const char **properties);
    CMPIStatus (*associatorNames)(CMPIAssociationMI *, const CMPIContext *, const CMPIResult *,
                                  const CMPIObjectPath *, const char *assocClass,
                                  const char *resultClass, const char *role,
                                  const char *resultRole);
    CMPIStatus (*references)(CMPIAssociationMI *, const CMPIContext *, const CMPIResult *,
                             const CMPIObjectPath *, const char *resultClass, const char *role,
                             const char **properties);
    CMPIStatus (*referenceNames)(CMPIAssociationMI *, const CMPIContext *, const CMPIResult *,
                                 const CMPIObjectPath *, const char *resultClass,
                                 const char *role);
};

struct CMPIMethodMIFT {
    int32_t ftVersion;
    int32_t miVersion;
    const char *miName;
    CMPIStatus (*cleanup)(CMPIMethodMI *, const CMPIContext *, CMPIBoolean terminating);
    CMPIStatus (*invokeMethod)(CMPIMethodMI *, const CMPIContext *, const CMPIResult *,
                               const CMPIObjectPath *, const char *method, const CMPIArgs *in,
                               CMPIArgs *out);
};

struct CMPIIndicationMIFT {
    int32_t ftVersion;
    int32_t miVersion;
    const char *miName;
    CMPIStatus (*cleanup)(CMPIIndicationMI *, const CMPIContext *, CMPIBoolean terminating);
    CMPIStatus (*authorizeFilter)(CMPIIndicationMI *, const CMPIContext *, const CMPISelectExp *,
                                  const char *className, const CMPIObjectPath *,
                                  const char *owner);
    CMPIStatus (*mustPoll)(CMPIIndicationMI *, const CMPIContext *, const CMPISelectExp *,
                           const char *className, const CMPIObjectPath *);
    CMPIStatus (*activateFilter)(CMPIIndicationMI *, const CMPIContext *, const CMPISelectExp *,
                                 const char *className, const CMPIObjectPath *,
                                 CMPIBoolean first);
    CMPIStatus (*deActivateFilter)(CMPIIndicationMI *, const CMPIContext *, const CMPISelectExp *,
                                   const char *className, const CMPIObjectPath *,
                                   CMPIBoolean last);
    CMPIStatus (*enableIndications)(CMPIIndicationMI *, const CMPIContext *);
    CMPIStatus (*disableIndications)(CMPIIndicationMI *, const CMPIContext *);
};

#endif

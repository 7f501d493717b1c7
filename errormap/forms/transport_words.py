"""What programs print when the way to the manager fails: in which phase, by which errno, or status.

Python's, node's, Java's, Go's, .NET's and curl's words; the first row that is found decides.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from virtcim.errormap.patterns import later

__all__ = [
    "CONNECT",
    "OF_THE_EXCEPTION",
    "PHASES",
    "SENT",
    "TLS",
    "UNSENT",
    "Condition",
    "condition_of",
    "is_plain_answer",
]

CONNECT, TLS, UNSENT, SENT = "connect", "tls", "before_send", "after_send"
PHASES = (CONNECT, TLS, UNSENT, SENT)
UNKNOWN = ""
# A connection that broke in a way that no errno names.
FAILED = "connection_failed"
LOGIN_REFUSED = "authentication_failed"
NO_CREDENTIALS = "no_credentials"
# An answer came that is none.
UNREADABLE = "unreadable_reply"
UNSENDABLE = "cannot_be_sent"
# Conditions that an exception's own name says better.
OF_THE_EXCEPTION = frozenset((UNREADABLE, UNSENDABLE))
_LOOKED_AT = 8 * 1024


class Condition(NamedTuple):
    """What the words say: the phase ("" where they do not tell), a code, an HTTP status.

    ``code`` is the name of an errno, or a condition that the table knows (``gaierror``,
    ``connection_failed``); "" where
    the exception's own name says most. ``may_have_left`` tells whether the request may have gone.
    """

    phase: str
    code: str
    status: int | None = None
    may_have_left: bool = False


# --- An answer came: its status

_REASON = (
    r"(?:continue|ok|moved|found|see other|not modified|temporary|permanent|bad"
    r"|unauthorized|forbidden"
    r"|not |method|proxy|request|conflict|gone|length|precondition|payload|uri|unsupported"
    r"|expectation"
    r"|too many|internal|service|gateway|http version|unprocessable|unavailable|locked)"
)
_STATUSES = (
    later(r"<?protocolerror for .{1,300}?: ([2-5][0-9]{2})(?: |>|$)"),
    later(rf"^\W{{0,4}}(?:error:? )?([2-5][0-9]{{2}})[:,]? (?:message=)?['\"]?(?={_REASON})"),
    later(
        r"\b(?:https?(?: error| status|/[12](?:\.[0-9])?)?|status(?: ?code)?(?: of)?|returned error"
        r"|returned an error|api error|response(?: code| status)?|statuscode"
        r"|unexpected (?:server )?(?:response"
        r"|status)|indicate success|code)(?: is|=|:|,)? ?[(\"']?([2-5][0-9]{2})\b(?! ?bytes| ?ms)"
    ),
    later(rf"\b([2-5][0-9]{{2}}) ['\"]?(?:(?:client|server) error\b|{_REASON})"),
    # Of a login, of rights and of paths, whatever the words.
    later(r"^\W{0,4}(?:error:? )?(40[134]) (?=[a-z])"),
    later(
        r"\bunexpected http (?:response|status) (?:on|from|at) \S{1,200}:? {0,4}"
        r"\(([2-5][0-9]{2})\)"
    ),
    # Proxmox VE has numbers of its own, behind the words.
    later(r"\((59[5-9])\)\W{0,4}$"),
    # .NET says the rest in the language of its system.
    later(r"webexception: [^\n]{1,200}\(([45][0-9]{2})\)"),
)

_NAMED_STATUS = later(
    r"\bstatus:? (unauthorized|forbidden|not found|internal server error|service unavailable"
    r"|bad gateway|bad request|method not allowed"
    r"|gateway time-?out)\b"
    # The reason alone is all that some libraries hand on.
    r"|: (unauthorized|service unavailable|bad gateway|gateway time-?out)\W{0,4}$"
    r"|exception: (forbidden|not found|internal server error)\W{0,4}$"
)
# Java's word for 404.
_NO_SUCH_FILE_AT = later(r"filenotfoundexception: https?://")
_NAMED = {
    "bad request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not found": 404,
    "method not allowed": 405,
    "internal server error": 500,
    "bad gateway": 502,
    "service unavailable": 503,
    "gateway timeout": 504,
    "gateway time-out": 504,
}

# --- No answer came

_UNRESOLVED = (
    r"gaierror|\bherror|name or service not known|nodename nor servname|name resolution|\benotfound"
    r"|eai_again|eai_noname|eai_nodata|eai_fail|unknownhost(?!key)|unresolvedaddress|no such host"
    r"|server misbehaving|could not resolve|couldn.t resolve|name could not be resolved"
    r"|\b11001\b|\b11002\b|\b11004\b|failed to resolve|nameresolution|no address associated"
    r"|nom distant n'a pas pu être résolu|no se puede resolver el nombre remoto"
    r"|разрешить удаленное имя|解析此远程名称|リモート名を解決"
    r"|hostname cannot be resolved|dns (?:lookup|error|resolution)|curl: \((?:5|6)\)"
    r"|getaddrinfo|resolve host|remotename konnte nicht|h\u00f4te inconnu|failed to lookup address"
)
# Nothing that could be shown to SSH.
_NO_CREDENTIALS = (
    r"could not configure ssh authentication|ssh.agent requested but"
    r"|\bno (?:ssh |usable |supported |suitable )?authentication methods? "
    r"(?:are |is |was |were )?(?:available|configured|given|found|provided|specified)"
    r"|authentication agent\b.{0,40}(?:not running|unavailable)"
    r"|connection to your authentication agent|attempted methods \[none\]"
    r"|\bagent (?:has|contains|holds) no (?:identities|keys)"
    r"|\bno (?:ssh |private |public ){0,2}(?:identit(?:y|ies)|keys?) "
    r"(?:was |were |are |is )?(?:found|available|given|configured|provided|loaded)\b"
    r"|\b(?:read|open|load|find) (?:the )?(?:ssh |private ){1,2}key\b.{0,400}no such file"
    r"|\brequires? an? (?:user ?name|password|credential|token)"
    r"|\bno (?:\w{1,20} )?credentials? (?:(?:was|were|is|are) )?(?:available|found|given"
    r"|provided|supplied"
    r"|configured|set|cached)\b"
    r"|\b(?:credentials?|user ?name|password|token) (?:is|are|was|were|has|have) (?:not|missing"
    r"|empty"
    r"|required)\b(?! (?:valid|accepted|correct|permitted|allowed|recogni))"
    r"|\bmissing credentials?\b|\bno (?:ticket|token)\b"
)
# What was shown is refused; TLS begins with the same words of certificates, and goes on.
_LOGIN_REFUSED = (
    r"unable to authenticate|no supported methods remain|\bauthentication (?:has )?failed\W?$"
    r"|(?:::|\.)(?:invalid_?login|auth(?:entication|orization)?_?error|not_?authenticated)\b"
    r"|cannot authenticate user|\bunable to log ?in\b"
    r"|permission denied \((?:publickey|password|keyboard|gssapi)"
    r"|winrmauthorizationerror|\bauth fail|\bunauthenticated\b|\blog ?[io]n (?:has )?(?:fail"
    r"|incorrect|denied)"
    r"|\(unauthorized\)|must be logged in\b|\bcould(?:n't| not) be authenticated"
    r"|verify (?:user )?credentials|requires authentication"
    r"|\b(?:invalid|expired) (?:\w{1,10} )?ticket\b"
    r"|\b(?:in|not )valid (?:credentials?|password|user ?name|session)\b|invalidcredentials"
    r"|\b(?:invalid|expired) (?:\w{1,10} )?token\b(?!\)|.{0,20}(?:line|position|json))"
    r"|\b(?:credentials?|user ?name|password|token)\b.{0,40}\b(?:rejected|refused|incorrect"
    r"|wrong|invalid"
    r"|expired|not (?:valid|accepted|correct|recogni[sz]ed))\b"
)
# Known, and not permitted.
_DENIED = (
    r"\baccess (?:is |was |has been )?denied\b|permissiondenied|\bnot authori[sz]ed\b"
    r"|\bnopermission\b|\bpermission [^\n]{0,60}\bdenied\b(?! \()"
)
_TLS = (
    r"vertrauensstellung|relation d(?:e confiance|'approbation)|relación de confianza"
    r"|доверительные отношения|信任关系|信頼関係"
    r"|handshake|ssl peer|malformed http response|hostname wrong|certificate|x509|self.signed|pkix"
    r"|unable to verify|ssl_error|sslhandshake|sslpeer"
    r"|ssl routines"
    r"|wrong.version.number|eproto|tls handshake|handshake failure|handshake_failure|tls:|sslv3"
    r"|before secure tls|secure channel|trust relationship|authenticationexception|unknown[_ ]ca\b"
    r"|http response to https client|cert_|err_tls|depth_zero|unable_to_|unrecognized ssl message"
    r"|ssl connection could not be established|sslcertverification|certpath|hostname mismatch"
    r"|hostname/ip does not match|doesn.t match|tlsv1 alert|curl: \((?:35|51|58|60|66|77|83"
    r"|90|91)\)"
    r"|ssl negotiation|\b(?:ssl|tls)\b.{0,20}\b(?:fail|error)"
    r"|plaintext connection\?|ssl/tls-kanal|tls confirmation|zertifikat|schannel|gnutls"
    r"|\bfatal alert\b"
)
_DIALLING = (
    r"pooltimeout|too ?many ?redirects|redirects followed|exceeded [0-9]{1,3} redirects"
    r"|\bconnect(?:ex"
    r"|ion attempt)?\b.{0,60}(?:econn|etimedout|eacces|enoent|ehost|enet|timed out"
    r"|timeout)|newconnectionerror|failed to establish a new connection|connecttimeout"
    r"|dial (?:tcp|unix|udp)"
    r"|\bssh protocol banner\b|kex_exchange_identification"
    r"|host key verification|identification has changed|badhostkey|no matching host key"
    r"|knownhosts: key|\bhost key\b.{0,200}(?:does not match|mismatch|not known|is unknown)"
    r"|not (?:found )?in known_hosts|connectexception|connect timeout|connection attempt failed"
    r"|failed to connect|\bconnection to [^\n]{1,120}? timed out"
    r"|\b(?:destination|resource|host|server|node) (?:is )?unreachable"
    r"|unable to connect|(?:trying|attempting) to (?:connect|log ?in) to"
    r"|couldn.t connect|could not connect|cannot connect|can.t connect|httphostconnect|proxyerror"
    r"|connectionrefused|noroutetohost|connecterror|err_connection_refused|curl: \(7\)"
    r"|opentimeout|remoteserver kann nicht hergestellt|(?:kex|ssh)_exchange_identification"
    r"|unable to negotiate with|no matching (?:key exchange|cipher|mac)\b"
    r"|unknownhostkey|rpc server is (?:unavailable|too busy)|800706ba|problem (?:while )?connecting"
    r"|\bconnecting to [^\n]{1,120}? (?:failed|could not be)|verbindung hergestellt werden"
    r"|aucune connexion n.a pu"
    r"|und_err_connect|notconnected|cannot open connection|failed to (?:create|open) .{0,20}socket"
)
_REFUSED = (
    r"portunreachable|econnrefused|connection refused|actively refused|connectionrefused"
    r"|verbindung verweiger|\bconnection to [^\n]{1,120}? (?:was )?refused"
    r"|\b10061\b|curl: \(7\)"
    # Windows, in German, French, Spanish, Russian, Chinese and Japanese; so below.
    r"|verbindung verweigerte|expressément refusée|denegó expresamente|отверг запрос на подключение"
    r"|积极拒绝|コンピューターによって拒否"
)
_UNREACHABLE = (
    r"ehostunreach|no route to host|noroutetohost|\b10065\b|ehostdown|host is down"
    r"|host is unreachable"
)
_NET_UNREACHABLE = r"enetunreach|enetdown|network is (?:unreachable|down)|\b10051\b|\b10050\b"
_RESET = (
    r"econnreset|connection reset|connectionreset|\b10054\b|forcibly closed|socket hang up"
    r"|err_socket_closed|und_err_socket|other side closed|curl: \(56\)"
    r"|vom remotehost geschlossen|fermée par l'hôte distant|interrupción forzada"
    r"|принудительно разорвал|强迫关闭|強制的に切断"
)
_BROKEN = r"epipe|broken pipe|brokenpipe|curl: \(55\)|write after end"
_ABORTED = r"econnaborted|connection abort|\b10053\b|connectionaborted"
_ENDED = (
    r"readerror|writeerror|error while copying content|transport connection broken"
    r"|remotedisconnected|remote end closed|badstatusline|incompleteread|unexpected eof"
    r"|unexpected end"
    r"|\beof\b|end of file|server disconnected|remoteprotocolerror|empty reply|no ?httpresponse"
    r"|closed by the server|connection was closed|prematurely|premature|connection closed"
    r"|response ended|ssleoferror|endofstream|nohttpresponse|curl: \((?:18|52)\)|chunkedencoding"
    r"|stream (?:has |was )?(?:ended|closed|aborted|destroyed|terminated)|abruptly closed"
    r"|rst_stream"
    r"|\bgoaway\b|incompletemessage"
    r"|server closed|peer closed|resultunknown|unexpected error occurred on a (?:send|receive)"
    r"|connection (?:was )?(?:lost|dropped|terminated)|lost connection"
    r"|failed to read server.s response"
    r"|keep-alive|kept alive"
)
_WAITED = (
    r"read timed out|readtimeout|headerstimeout|bodytimeout|awaiting headers|reading body"
    r"|und_err_headers"
    r"|und_err_body|read etimedout|read tcp|esockettimedout|response timeout"
    r"|waiting for (?:a )?response"
    r"|sockettimeoutexception: read|read operation timed out|curl: \(28\) operation"
)
_TIMEOUT = (
    r"(?:task was|context) cancell?ed|error occurred while sending the request|timed? ?out|timeout"
    r"|etimedout|deadline exceeded|taskcanceled|\b10060\b|operation was canceled"
    r"|aborterror|aborted due to timeout"
)
_NO_DESCRIPTORS = r"emfile|enfile|too many open files|\[errno 2[34]\]|\b10024\b"
_NO_MEMORY = r"enomem|cannot allocate memory|memoryerror|outofmemory|out of memory"
_NO_PORTS = r"eaddrnotavail|cannot assign requested address|can.t assign requested address"
_FORBIDDEN = r"\beacces\b|\beperm\b|permission denied|permissionerror|operation not permitted"
_MISSING_SOCKET = r"\benoent\b|filenotfounderror|no such file or directory"
_UNSENDABLE = (
    r"unsupported xml-rpc protocol|locationparse|localprotocolerror"
    r"|overflowerror|exceeds xml-rpc limits|cannot marshal|unicodeencodeerror|invalidurl"
    r"|invalid url"
    r"|missingschema|unsupported protocol(?!.{0,4}(?:tls|ssl))|malformedurl|err_invalid_url"
    r"|not json serializable"
    r"|invalid port|invalidschema|unknown protocol scheme|uriformatexception|circular structure"
    r"|curl: \((?:1|3)\)|invalid uri\b|\bunsupported (?:type|value): |missing protocol scheme"
    r"|parameters? (?:which|that) (?:was|were) not given|missing required (?:parameter|option"
    r"|argument|field)|unknown url type|unknown port\b|missing port in address|bad_port"
    r"|port should be"
    r"|port out of range"
    r"|first path segment|relative url without a base|missing (?:url )?scheme|no host supplied"
    r"|no schema supplied"
)
_UNREADABLE = (
    r"unexpected mimetype|could not be parsed|expaterror|not well-formed|no element found"
    r"|responseerror|jsondecodeerror|saxparse"
    r"|parse.error|failed to parse"
    r"|path '[^'\n]{0,200}', line [0-9]{1,9}, position [0-9]|jsonserialization|jsonreader"
    r"|unexpected token|invalid character|malformed|unmarshal|xmlrpcclientexception|bad ?response"
    r"|root element|root level|unexpected character|not allowed in prolog|protocol violation"
    r"|got more than [0-9]{1,5} headers"
    r"|ill-?formed|valid xml|invalid response|unexpected content|syntax error|not xml|unparsable"
    r"|cannot decode"
)
_NOT_CONNECTED = (
    r"\bconnection to [^\n:]{1,120}? (?:has |have )?(?:failed|could not be (?:made|established))\b"
    r"|\b(?:error|failed|failure|unable|cannot|can['\u2019]t|could not) (?:in )?(?:to )?"
    r"(?:establish|open)(?:ing)? (?:the |an? )?(?:\w{1,20} )?(?:session|connection)\b"
)
# Read, and none: whatever is said of where it ended.
_ILL_FORMED = (
    r"xml syntax|not well-formed|wrong content.?type|no valid (?:method )?response"
    r"|unexpected end of json|json\b.{0,40}\b(?:unexpected|syntax)"
)
_ABOUT_CONNECTIONS = (
    r"fetch failed|failed to fetch|webexception|httprequestexception|connection|socket|network"
    r"|unreachable|refused|transport|protocol"
)

_ROWS: tuple[tuple[re.Pattern[str], Condition], ...] = tuple(
    (later(pattern), condition)
    for pattern, condition in (
        (_NO_DESCRIPTORS, Condition(UNSENT, "EMFILE")),
        (_NO_MEMORY, Condition(UNSENT, "ENOMEM")),
        (_NO_PORTS, Condition(CONNECT, "EADDRNOTAVAIL")),
        (_UNRESOLVED, Condition(CONNECT, "gaierror")),
        (_UNSENDABLE, Condition(UNSENT, UNSENDABLE)),
        (_NO_CREDENTIALS, Condition(CONNECT, NO_CREDENTIALS)),
        (_LOGIN_REFUSED, Condition(CONNECT, LOGIN_REFUSED)),
        (_DENIED, Condition(CONNECT, "EACCES")),
        (_TLS, Condition(TLS, "")),
        (_REFUSED, Condition(CONNECT, "ECONNREFUSED")),
        (_UNREACHABLE, Condition(CONNECT, "EHOSTUNREACH")),
        (_NET_UNREACHABLE, Condition(CONNECT, "ENETUNREACH")),
        (_FORBIDDEN, Condition(CONNECT, "EACCES")),
        (_MISSING_SOCKET, Condition(CONNECT, "ENOENT")),
        (_ILL_FORMED, Condition(SENT, UNREADABLE, may_have_left=True)),
        (_WAITED, Condition(SENT, "ETIMEDOUT", may_have_left=True)),
        (_DIALLING, Condition(CONNECT, "")),
        (_RESET, Condition(SENT, "ECONNRESET", may_have_left=True)),
        (_BROKEN, Condition(SENT, "EPIPE", may_have_left=True)),
        (_ABORTED, Condition(SENT, "ECONNABORTED", may_have_left=True)),
        (_ENDED, Condition(SENT, FAILED, may_have_left=True)),
        (_TIMEOUT, Condition(UNKNOWN, "ETIMEDOUT", may_have_left=True)),
        (_UNREADABLE, Condition(SENT, UNREADABLE, may_have_left=True)),
        (_NOT_CONNECTED, Condition(CONNECT, FAILED)),
        (_ABOUT_CONNECTIONS, Condition(UNKNOWN, FAILED, may_have_left=True)),
    )
)
_ANSWERED = Condition(SENT, "", may_have_left=True)
# XML-RPC's own answer that a call failed.
_FAULT = later(r"^\W{0,3}<?fault -?[0-9]|\bxmlrpc\.client\.fault\b|\bxmlrpclib\.fault\b")


def is_plain_answer(exception: str, text: str) -> bool:
    """Whether what was raised is the manager's own answer, a fault; the way was sound."""
    name = exception.rpartition(".")[2]
    return name == "Fault" or _FAULT.search(text[:300].lower()) is not None


def condition_of(exception: str, text: str) -> Condition | None:
    """What the words of an exception say; None where they tell nothing of a connection."""
    words = f"{exception}: {text[:_LOOKED_AT]}".lower()
    for pattern in _STATUSES:
        match = pattern.search(words if pattern is not _STATUSES[1] else text[:200].lower())
        if match is not None:
            return _ANSWERED._replace(status=int(match[1]))
    if _NO_SUCH_FILE_AT.search(words) is not None:
        return _ANSWERED._replace(status=404)
    reason = _NAMED_STATUS.search(words)
    if reason is not None:
        return _ANSWERED._replace(status=_NAMED[reason[1] or reason[2] or reason[3]])
    for row, condition in _ROWS:
        if row.search(words) is not None:
            return condition
    return None

using System.ClientModel;
using System.Net.Sockets;
using System.Security.Authentication;

namespace RagPlatform.Contracts;

/// <summary>
/// The one place that says whether a call over HTTP failed on its way, and what a status means for the same call later. What fails on its way says
/// nothing about what was sent: whoever sent it may try again, and counts no attempt.
/// </summary>
public static class TransportFailure
{
    /// <summary>Whether an exception means that there was no whole answer: no connection, a broken one, or none in time.</summary>
    /// <param name="exception">What the call threw, as it is or as clients wrap it.</param>
    /// <param name="cancellationToken">The caller's token: what it cancels did not fail.</param>
    public static bool Is(Exception exception, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception switch
        {
            HttpRequestException { StatusCode: not null } => false,
            HttpRequestException or IOException or SocketException or TimeoutException or AuthenticationException => true,
            OperationCanceledException => !cancellationToken.IsCancellationRequested,
            ClientResultException { Status: 0 } => true,
            AggregateException many => many.InnerExceptions.Count > 0 && many.InnerExceptions.All(inner => Is(inner, cancellationToken)),
            _ => false,
        };
    }

    /// <summary>Whether the same call may succeed later: there was no answer (0), or one that says so.</summary>
    /// <param name="status">The HTTP status; 0 when there was no answer.</param>
    public static bool IsTransient(int status) => status is 0 or 408 or 425 or 429 or >= 500;
}

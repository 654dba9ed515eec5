using Microsoft.AspNetCore.Diagnostics;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Problems;

/// <summary>409 where the workspace has gone between the beginning of a request and its write.</summary>
internal sealed class DeletedWorkspaceProblem : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not (WorkspaceGoneException or PostgresException { SqlState: PostgresErrorCodes.ForeignKeyViolation }))
        {
            return false;
        }

        await ApiProblems.Conflict("The workspace was deleted meanwhile.").ExecuteAsync(httpContext);
        return true;
    }
}

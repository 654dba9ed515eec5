using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Problems;

/// <summary>409 for a write whose workspace was deleted while the request was read: there may be another one of that name by now.</summary>
internal sealed class WorkspaceGoneProblem : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not WorkspaceGoneException)
        {
            return false;
        }

        await ApiProblems.WriteAsync(context, new ProblemDetails
        {
            Status = StatusCodes.Status409Conflict,
            Title = "Conflict.",
            Detail = "The workspace was deleted while this request was on its way. Nothing was written.",
        });
        return true;
    }
}

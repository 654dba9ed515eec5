using Microsoft.AspNetCore.Mvc;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>
/// The workspace that the request's path names, as a parameter of handlers. It exists, and the caller may use it: <see cref="WorkspaceResolution"/>
/// has answered 404 or 403 otherwise, before the body was read.
/// </summary>
/// <param name="Row">The workspace.</param>
/// <param name="ArrivedAt">When looking for it began, as a timestamp: the database may have taken its time for that already.</param>
internal sealed record CurrentWorkspace(WorkspaceRow Row, long? ArrivedAt = null)
{
    /// <summary>Its key in the database.</summary>
    public int Id => Row.WorkspaceId;

    /// <summary>Called by the framework to supply the parameter.</summary>
    public static ValueTask<CurrentWorkspace?> BindAsync(HttpContext context) => ValueTask.FromResult(context.Features.Get<CurrentWorkspace>());
}

/// <summary>Marks endpoints whose route value <c>workspace</c> names an existing workspace.</summary>
internal sealed class InWorkspaceAttribute : Attribute;

/// <summary>Finds the workspace of a request, after authorization.</summary>
internal sealed class WorkspaceResolution(RequestDelegate next, WorkspaceCache workspaces, TimeProvider time)
{
    // A database that is frozen answers neither a statement nor its cancellation.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<InWorkspaceAttribute>() is null)
        {
            await next(context);
            return;
        }

        var arrivedAt = time.GetTimestamp();
        var name = (string)context.GetRouteValue(AuthExtensions.WorkspaceRouteValue)!;
        var row = await FindAsync(name, context.RequestAborted);
        var keysWorkspace = WorkspaceKeys.FindWorkspaceId(context.User);
        if (keysWorkspace is { } expected && row is not null && row.WorkspaceId != expected)
        {
            // The workspace was deleted, and another has taken its name: either the cached row or the cached key is of the old one.
            workspaces.Invalidate(row.WorkspaceId);
            row = await FindAsync(name, context.RequestAborted);
        }

        if (row is null)
        {
            await ApiProblems.NotFound("workspace", name).ExecuteAsync(context);
        }
        else if (keysWorkspace is not null && keysWorkspace != row.WorkspaceId)
        {
            await ApiProblems.WriteAsync(context, new ProblemDetails
            {
                Status = StatusCodes.Status403Forbidden,
                Title = "The key is valid, but not for this.",
                Detail = "It was made for a workspace of the same name that has been deleted.",
            });
        }
        else
        {
            context.Features.Set(new CurrentWorkspace(row, arrivedAt));
            await next(context);
        }
    }

    private ValueTask<WorkspaceRow?> FindAsync(string name, CancellationToken cancellationToken) =>
        WorkspaceNames.IsValid(name) ? WaitAsync(workspaces.FindAsync(name, cancellationToken), cancellationToken) : ValueTask.FromResult<WorkspaceRow?>(null);

    private async ValueTask<WorkspaceRow?> WaitAsync(ValueTask<WorkspaceRow?> finding, CancellationToken cancellationToken)
    {
        if (finding.IsCompleted)
        {
            return await finding;
        }

        var task = finding.AsTask();
        try
        {
            return await task.WaitAsync(s_patience, time, cancellationToken);
        }
        catch
        {
            _ = task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw;
        }
    }
}

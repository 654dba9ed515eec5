namespace RagPlatform.SearchApi.Reference;

/// <summary>Puts the path that the service is reached under in front of the <c>Location</c> of what was created, which endpoints give from the root.</summary>
internal sealed class LocationBase(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        if (context.Request.PathBase.HasValue)
        {
            context.Response.OnStarting(AddAsync, context);
        }

        return next(context);
    }

    private static Task AddAsync(object state)
    {
        var context = (HttpContext)state;
        if (context.Response.StatusCode is StatusCodes.Status201Created or StatusCodes.Status202Accepted
            && context.Response.Headers.Location.ToString() is ['/', ..] location)
        {
            context.Response.Headers.Location = context.Request.PathBase.ToUriComponent() + location;
        }

        return Task.CompletedTask;
    }
}

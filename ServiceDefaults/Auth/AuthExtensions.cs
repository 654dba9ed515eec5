using System.Net.Http.Headers;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>Authentication by keys, the same in every service.</summary>
public static class AuthExtensions
{
    /// <summary>The authentication scheme.</summary>
    public const string Scheme = "ApiKey";

    /// <summary>The policy: the admin key.</summary>
    public const string AdminPolicy = "Admin";

    /// <summary>The policy: a key of the workspace that the route value <c>workspace</c> names, or the admin key.</summary>
    public const string WorkspacePolicy = "Workspace";

    /// <summary>The policy: any valid key.</summary>
    public const string AnyKeyPolicy = "AnyKey";

    /// <summary>The route value that <see cref="WorkspacePolicy"/> reads.</summary>
    public const string WorkspaceRouteValue = "workspace";

    /// <summary>
    /// Adds the scheme <c>ApiKey</c> and the policies <c>Admin</c>, <c>Workspace</c> and <c>AnyKey</c>. An endpoint that states none needs
    /// any valid key; <c>AllowAnonymous</c> opens it. Without <c>Auth:AdminKey</c>, <c>Auth:AdminKeyFile</c> or <c>Auth:Disabled=true</c>
    /// the service does not start. Workspace keys are accepted where an <see cref="IApiKeyStore"/> is registered.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="configure">Settings of the scheme, such as an error shape of its own.</param>
    /// <returns>The same builder.</returns>
    public static IHostApplicationBuilder AddApiKeyAuthentication(
        this IHostApplicationBuilder builder, Action<ApiKeySchemeOptions>? configure = null)
    {
        builder.AddAdminKey();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(services => new ApiKeyGrants(
            services.GetRequiredService<IOptions<AuthOptions>>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetService<IApiKeyStore>()));
        builder.Services.AddAuthentication(Scheme).AddScheme<ApiKeySchemeOptions, ApiKeyHandler>(Scheme, configure);
        builder.Services.AddAuthorizationBuilder()
            .AddPolicy(AdminPolicy, policy => policy.RequireAssertion(context => context.User.IsAdmin()))
            .AddPolicy(AnyKeyPolicy, policy => policy.RequireAuthenticatedUser())
            .AddPolicy(WorkspacePolicy, policy => policy.RequireAuthenticatedUser().RequireAssertion(MayUseRoute))
            .SetFallbackPolicy(new AuthorizationPolicyBuilder(Scheme).RequireAuthenticatedUser().Build());
        return builder;
    }

    /// <summary>
    /// Adds <see cref="AdminKey"/> alone, for a service that sends the key to others, or asks for it in its own way. Same rules at start.
    /// </summary>
    public static IHostApplicationBuilder AddAdminKey(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<AuthOptions>, AuthOptionsValidator>());
        builder.Services.AddOptions<AuthOptions>().BindConfiguration(AuthOptions.Section).ValidateOnStart();
        builder.Services.TryAddSingleton<AdminKey>();
        return builder;
    }

    /// <summary>
    /// Sends the admin key with every request of a client that states no <c>Authorization</c> itself: how services call each other.
    /// </summary>
    public static IHttpClientBuilder AddAdminKeyHeader(this IHttpClientBuilder client) =>
        client.AddHttpMessageHandler(services => new AdminKeyHandler(services.GetRequiredService<AdminKey>()));

    private static bool MayUseRoute(AuthorizationHandlerContext context) =>
        context.User.IsAdmin()
        || (context.Resource is HttpContext http
            && http.GetRouteValue(WorkspaceRouteValue) is string workspace
            && context.User.MayUse(workspace));

    private sealed class AdminKeyHandler(AdminKey key) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (key.Value is { } value && request.Headers.Authorization is null)
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", value);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }
}

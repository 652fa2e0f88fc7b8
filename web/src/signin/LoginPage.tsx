import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';

import { setCsrfToken } from '@/api/client';
import { infoQuery, keys } from '@/api/queries';
import type { Me } from '@/api/types';
import { t } from '@/messages';

import { Card } from './Card';
import { LoginForm } from './LoginForm';
import styles from './SignIn.module.css';

const route = getRouteApi('/login');

export function LoginPage() {
  const { next } = route.useSearch();
  const router = useRouter();
  const client = useQueryClient();
  const { data: info } = useQuery(infoQuery);
  const enter = (me: Me) => {
    setCsrfToken(me.csrf_token);
    client.setQueryData(keys.me, me);
    router.history.push(next ?? '/recordings');
  };
  return (
    <Card title={t.signIn.title}>
      {info?.needs_first_administrator && (
        <div className={styles['note']}>
          <p>
            <strong>{t.signIn.noAdministrator}</strong>
          </p>
          <p>{t.signIn.noAdministratorText}</p>
        </div>
      )}
      <LoginForm onSignedIn={enter} />
      <p className={styles['hint']}>{t.signIn.forgotten}</p>
    </Card>
  );
}
